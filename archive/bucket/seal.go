package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// Sealing is a complete file to be put into the bucket.
type Sealing struct {
	Timeline catalog.Timeline
	Manifest catalog.Manifest // Seal sets Epoch and ETag
	Pieces   []Piece          // of the file, described; those that count are copied where the store can do that
	Local    io.ReaderAt      // the file
	Index    []byte
}

// Seal makes the object of a complete file, proves it, writes its index, and lists it in
// the catalog. Files follow each other in the order of their sequence numbers. When it has
// returned the catalog's manifest, the file counts, and its pieces may be dropped. After an
// error it may be called again, also by another process: it finds what is done. A
// *HistoryError says that the catalog lists another file of that name or number.
func (w *Writer) Seal(ctx context.Context, s Sealing) (catalog.Manifest, error) {
	c, err := w.catalogOf(ctx, s.Timeline.Dir())
	if err != nil {
		return catalog.Manifest{}, err
	}
	if held, err := w.listed(c, s.Manifest); held != nil || err != nil {
		if err != nil {
			return catalog.Manifest{}, err
		}
		return *held, w.append(ctx, c.Timeline, *held) // a roll-over may be left
	}
	m := s.Manifest
	m.Epoch = w.epoch
	if int64(len(s.Index)) != m.IndexSize || crc32c.Of(s.Index) != uint32(m.IndexCRC32C) {
		return m, fmt.Errorf("the index of %s is not the one in its manifest", m.Name)
	}
	if sabotaged == catalogBeforeComplete {
		if err := w.append(ctx, c.Timeline, m); err != nil {
			return m, err
		}
	}
	object, err := w.sealObject(ctx, c.Timeline, s)
	if err != nil {
		return m, err
	}
	m.ETag = object.ETag
	if _, err := w.putWhole(ctx, c.Timeline, w.b.IndexKey(c.Timeline, m.Name), s.Index); err != nil || sabotaged == catalogBeforeComplete {
		return m, err
	}
	return m, w.append(ctx, c.Timeline, m)
}

// listed gives the manifest of a file that the catalog has already. It refuses what does
// not go on where the catalog ends.
func (w *Writer) listed(c *Catalog, m catalog.Manifest) (*catalog.Manifest, error) {
	held := c.Find(m.Name)
	if held == nil && m.Seq >= 1 && m.Seq <= uint64(len(c.Manifests)) {
		held = &c.Manifests[m.Seq-1]
	}
	switch {
	case held == nil && m.Seq != c.open.Next():
		return nil, fmt.Errorf("%s has sequence number %d, the bucket's catalog goes on with %d", m.Name, m.Seq, c.open.Next())
	case held == nil:
		return nil, nil
	case held.Name != m.Name || held.Seq != m.Seq || held.Size != m.Size || held.CRC32C != m.CRC32C:
		return nil, &HistoryError{
			Key:   w.b.FileKey(c.Timeline, held.Name),
			Held:  fmt.Sprintf("file %d, %s", held.Seq, sizeAndSum(held.Size, uint32(held.CRC32C))),
			Found: fmt.Sprintf("file %d, %s, %s", m.Seq, m.Name, sizeAndSum(m.Size, uint32(m.CRC32C))),
		}
	}
	return held, nil
}

// sealObject makes the file's object: small ones with one write, others of parts.
func (w *Writer) sealObject(ctx context.Context, t catalog.Timeline, s Sealing) (store.Object, error) {
	if s.Manifest.Size >= store.MinPart {
		return w.sealParts(ctx, t, s)
	}
	body := make([]byte, s.Manifest.Size)
	if _, err := io.ReadFull(io.NewSectionReader(s.Local, 0, s.Manifest.Size), body); err != nil {
		return store.Object{}, fmt.Errorf("read %s to put it into the bucket: %w", s.Manifest.Name, err)
	}
	key := w.b.FileKey(t, s.Manifest.Name)
	if err := w.b.sameSum(key, s.Manifest, crc32c.Of(body)); err != nil {
		return store.Object{}, err
	}
	return w.putWhole(ctx, t, key, body)
}

// putWhole makes an object that the catalog does not list yet. One that is there is
// left if it is the same, and replaced if it is not: nobody relies on it.
func (w *Writer) putWhole(ctx context.Context, t catalog.Timeline, key string, body []byte) (store.Object, error) {
	sum := crc32c.Of(body)
	cond := store.IfAbsent()
	for {
		object, err := w.b.put(ctx, key, body, store.PutOptions{If: cond, CRC32C: sum, HasCRC: true})
		if err == nil && !w.b.opts.Capabilities.BodySums {
			err = w.b.readBack(ctx, object, int64(len(body)), sum)
		}
		if !errors.Is(err, store.ErrCondition) {
			return object, err
		}
		same, next, err := w.leftover(ctx, t, key, int64(len(body)), sum)
		if err != nil || same.Key != "" {
			return same, err
		}
		cond = next
	}
}

// leftover looks at what is there of an object that the catalog does not list: the same
// one, or the condition under which another one is replaced.
func (w *Writer) leftover(ctx context.Context, t catalog.Timeline, key string, size int64, sum uint32) (same store.Object, cond store.Condition, err error) {
	head, err := w.b.store.Head(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return store.Object{}, store.IfAbsent(), nil
	}
	if err != nil {
		return store.Object{}, cond, err
	}
	// It may be there because another writer is.
	if err := w.own(ctx, t); err != nil {
		return store.Object{}, cond, err
	}
	is, err := w.b.Holds(ctx, head, size, sum)
	if is || err != nil {
		return head, cond, err
	}
	w.b.opts.Logger.Warn("replacing an object that the catalog does not list", "key", key, "bytes", head.Size, "by_bytes", size)
	return store.Object{}, store.IfMatch(head.ETag), nil
}

// own makes sure that the catalog still belongs to this writer.
func (w *Writer) own(ctx context.Context, t catalog.Timeline) error {
	list, _, err := w.b.readList(ctx, w.b.CatalogKey(t), t)
	if err == nil && list.Epoch != w.epoch {
		err = w.fence(list.Epoch)
	}
	return err
}

func (b *Bucket) sameSum(key string, m catalog.Manifest, sum uint32) error {
	if sum == uint32(m.CRC32C) {
		return nil
	}
	return &DamageError{Key: key, Expected: sizeAndSum(m.Size, uint32(m.CRC32C)), Found: "what shall be written has CRC32C " + catalog.CRC32C(sum).String()}
}
