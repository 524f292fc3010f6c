package bucket

import (
	"context"
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// PutPiece writes a piece, which is durable when it returns. It sets the epoch, ETag and
// CRC32C of the piece that it returns. A piece that is there already with the same bytes
// is left as it is; with others it is a *HistoryError.
func (w *Writer) PutPiece(ctx context.Context, p Piece, body []byte) (Piece, error) {
	p.Epoch, p.CRC32C, p.Known = w.epoch, crc32c.Of(body), true
	p.HasGTIDs = p.HasGTIDs && len(p.GTIDs) <= maxGTIDs
	if !p.valid() || p.Size() != int64(len(body)) || p.Seq < 1 || p.Boundary < 0 || p.Boundary > p.End {
		return Piece{}, fmt.Errorf("no piece: %s from %d to %d with a boundary at %d, of %d bytes", p.File, p.First, p.End, p.Boundary, len(body))
	}
	if _, err := w.catalogOf(ctx, p.Timeline); err != nil {
		return Piece{}, err
	}
	key := w.b.PieceKey(p.PieceID)
	object, err := w.b.put(ctx, key, body, store.PutOptions{If: store.IfAbsent(), Meta: p.meta(), CRC32C: p.CRC32C, HasCRC: true})
	if err == nil {
		p.ETag = object.ETag
		return p, nil
	}
	if !errors.Is(err, store.ErrCondition) {
		return Piece{}, err
	}
	held, err := w.b.Describe(ctx, p)
	if err == nil && held.CRC32C != p.CRC32C {
		err = &HistoryError{Key: key, Held: sizeAndSum(held.Size(), held.CRC32C), Found: sizeAndSum(p.Size(), p.CRC32C)}
	}
	return held, err
}

// catalogOf finds the catalog of the timeline with that folder, and makes it the
// writer's if it is not: pieces come after that.
func (w *Writer) catalogOf(ctx context.Context, dir string) (*Catalog, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	t, err := w.timeline(dir)
	if err != nil {
		return nil, err
	}
	return w.Catalog(ctx, t)
}

// DeletePieces removes pieces that a big one covers, after it has asked the store for
// that one. All must be of this epoch.
func (w *Writer) DeletePieces(ctx context.Context, big Piece, small []Piece) error {
	c, err := w.catalogOf(ctx, big.Timeline)
	if err != nil {
		return err
	}
	held, err := w.b.Describe(ctx, big)
	if errors.Is(err, store.ErrNotFound) {
		// A later writer has sealed the file and dropped its pieces, or it is lost.
		err = errors.Join(w.own(ctx, c.Timeline), err)
	}
	if err != nil {
		return err
	}
	if held.ETag != big.ETag || held.CRC32C != big.CRC32C {
		return &DamageError{Key: w.b.PieceKey(big.PieceID), Expected: "the piece that was written", Found: "another one"}
	}
	for _, p := range small {
		covered := p.Timeline == big.Timeline && p.File == big.File && p.First >= big.First && p.End <= big.End
		if !covered || p.PieceID == big.PieceID || p.Epoch != w.epoch || big.Epoch != w.epoch {
			return fmt.Errorf("%s is not to be deleted because of %s", w.b.PieceKey(p.PieceID), w.b.PieceKey(big.PieceID))
		}
	}
	return w.delete(ctx, small)
}

// DropOpen removes the pieces of a file that the catalog lists, of this epoch and of
// earlier ones.
func (w *Writer) DropOpen(ctx context.Context, t catalog.Timeline, file string) error {
	return w.drop(ctx, t, w.b.openFolder(t)+file+"/")
}

// Sweep is DropOpen for all files of all timelines: what was left when an earlier writer
// stopped between sealing and dropping. Other leftovers stay.
func (w *Writer) Sweep(ctx context.Context) error {
	source := w.Source()
	if source == nil {
		return w.check()
	}
	for _, t := range source.Timelines {
		if err := w.drop(ctx, t, w.b.openFolder(t)); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the pieces below a prefix whose files are sealed. That is safe also for a
// writer who does not know yet that it is fenced: what is listed stays listed.
func (w *Writer) drop(ctx context.Context, t catalog.Timeline, prefix string) error {
	c, err := w.catalogOf(ctx, t.Dir())
	if err != nil {
		return err
	}
	pieces, err := w.b.listPieces(ctx, prefix)
	if err != nil {
		return err
	}
	var sealed []Piece
	for _, p := range pieces {
		if p.Epoch <= w.epoch && c.Find(p.File) != nil {
			sealed = append(sealed, p)
		}
	}
	return w.delete(ctx, sealed)
}

func (w *Writer) delete(ctx context.Context, pieces []Piece) error {
	return w.b.each(ctx, len(pieces), func(ctx context.Context, i int) error {
		if err := w.check(); err != nil {
			return err
		}
		return w.b.store.Delete(ctx, w.b.PieceKey(pieces[i].PieceID))
	})
}
