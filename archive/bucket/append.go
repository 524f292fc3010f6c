package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Catalog is a timeline's catalog as this writer knows it, which makes it the writer's
// first if it is not. It is never changed, but replaced.
func (w *Writer) Catalog(ctx context.Context, t catalog.Timeline) (*Catalog, error) {
	if c := w.known(t); c != nil {
		return c, w.check()
	}
	w.change.Lock()
	defer w.change.Unlock()
	return w.claimed(ctx, t)
}

// claimed is Catalog with w.change held.
func (w *Writer) claimed(ctx context.Context, t catalog.Timeline) (*Catalog, error) {
	if c := w.known(t); c != nil {
		return c, w.check()
	}
	return w.claim(ctx, t)
}

func (w *Writer) known(t catalog.Timeline) *Catalog {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.catalogs[t.Number]
}

func (w *Writer) setCatalog(c *Catalog) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.catalogs[c.Timeline.Number] = c
}

// claim sets the writer's epoch into a catalog. w.change is held, or nobody else has w.
func (w *Writer) claim(ctx context.Context, t catalog.Timeline) (*Catalog, error) {
	for {
		c, err := w.reload(ctx, t)
		if err != nil {
			return nil, err
		}
		if c.Epoch != w.epoch {
			open := c.open
			open.Timeline, open.First, open.Epoch = t.Number, max(open.First, 1), w.epoch
			c, err = w.swapCatalog(ctx, c, open)
		}
		if err == nil {
			return w.rollOver(ctx, c)
		}
		if !errors.Is(err, store.ErrCondition) {
			return nil, err
		}
	}
}

// reload reads a catalog, which may belong to an earlier epoch but to no later one.
func (w *Writer) reload(ctx context.Context, t catalog.Timeline) (*Catalog, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	c, err := w.b.Catalog(ctx, t)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Epoch > w.epoch:
		return nil, w.fence(c.Epoch)
	case c.Epoch == w.epoch:
		w.setCatalog(c)
	}
	return c, nil
}

// swapCatalog replaces what catalog/open holds.
func (w *Writer) swapCatalog(ctx context.Context, c *Catalog, open catalog.List) (*Catalog, error) {
	body, err := open.Encode()
	if err != nil {
		return nil, err
	}
	cond := store.IfAbsent()
	if c.etag != "" {
		cond = store.IfMatch(c.etag)
	}
	etag, err := w.b.swap(ctx, w.b.CatalogKey(c.Timeline), body, cond)
	if err != nil {
		return nil, err
	}
	next := *c
	next.open, next.etag, next.Epoch = open, etag, open.Epoch
	known := next.open.First - 1
	next.Manifests = append(c.Manifests[:known:known], open.Manifests...)
	w.setCatalog(&next)
	return &next, nil
}

// append lists a file in the catalog. It is done when the catalog lists it, and has been
// rolled over if that was due.
func (w *Writer) append(ctx context.Context, t catalog.Timeline, m catalog.Manifest) error {
	w.change.Lock()
	defer w.change.Unlock()
	c, err := w.claimed(ctx, t)
	for {
		if err == nil {
			c, err = w.rollOver(ctx, c)
		}
		if err != nil || c.lists(m) {
			return err
		}
		if m.Seq != c.open.Next() {
			return fmt.Errorf("%s has sequence number %d, the bucket's catalog goes on with %d", m.Name, m.Seq, c.open.Next())
		}
		open := c.open
		open.Manifests = append(open.Manifests[:len(open.Manifests):len(open.Manifests)], m)
		next, swapErr := w.swapCatalog(ctx, c, open)
		switch {
		case errors.Is(swapErr, store.ErrCondition):
			c, err = w.mine(ctx, t)
		default:
			c, err = next, swapErr
		}
	}
}

// mine reads a catalog that nobody but this epoch may have changed.
func (w *Writer) mine(ctx context.Context, t catalog.Timeline) (*Catalog, error) {
	c, err := w.reload(ctx, t)
	if err == nil && c.Epoch != w.epoch {
		err = w.fence(c.Epoch)
	}
	return c, err
}

// lists says that the catalog has that very manifest.
func (c *Catalog) lists(m catalog.Manifest) bool {
	return m.Seq >= 1 && m.Seq <= uint64(len(c.Manifests)) && sameManifests(c.Manifests[m.Seq-1:m.Seq], []catalog.Manifest{m})
}

// rollOver makes a segment of what catalog/open holds, once that is full, and lets
// catalog/open begin behind it. Each of the two steps may have been done before.
func (w *Writer) rollOver(ctx context.Context, c *Catalog) (*Catalog, error) {
	if uint64(len(c.open.Manifests)) < w.b.segment {
		return c, nil
	}
	segment := c.open
	segment.Epoch = 0
	body, err := segment.Encode()
	if err != nil {
		return nil, err
	}
	key := w.b.SegmentKey(c.Timeline, segment.First, segment.Next()-1)
	if _, err = w.b.swap(ctx, key, body, store.IfAbsent()); errors.Is(err, store.ErrCondition) {
		err = w.sameSegment(ctx, key, body)
	}
	if err != nil {
		return nil, err
	}
	next, err := w.swapCatalog(ctx, c, catalog.List{Timeline: c.Timeline.Number, First: segment.Next(), Epoch: w.epoch})
	if errors.Is(err, store.ErrCondition) {
		return w.mine(ctx, c.Timeline)
	}
	return next, err
}

// sameSegment compares a segment that is there already.
func (w *Writer) sameSegment(ctx context.Context, key string, body []byte) error {
	held, _, err := w.b.get(ctx, key, maxList)
	if err == nil && !bytes.Equal(held, body) {
		err = &DamageError{Key: key, Expected: "the manifests that catalog/open holds", Found: "others"}
	}
	return err
}
