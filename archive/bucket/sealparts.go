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

// sealParts makes a large file's object. Where copies turn out to be wrong, all of it comes
// from the local log.
func (w *Writer) sealParts(ctx context.Context, t catalog.Timeline, s Sealing) (store.Object, error) {
	key, m := w.b.FileKey(t, s.Manifest.Name), s.Manifest
	pieces := w.copyable(t, s)
	for {
		same, cond, err := w.leftover(ctx, t, key, m.Size, uint32(m.CRC32C))
		if err != nil || same.Key != "" {
			return same, err
		}
		object, err := w.upload(ctx, key, s, pieces, cond)
		switch damage := (*DamageError)(nil); {
		case errors.Is(err, store.ErrCondition):
			err = nil // by now something else is there
		case len(pieces) > 0 && (errors.Is(err, store.ErrBadSum) || errors.As(err, &damage)):
			w.b.opts.Logger.Warn("the pieces of a file do not make it: uploading it from the local log", "file", m.Name, "error", err)
			pieces, err = nil, nil
		default:
			return object, err
		}
	}
}

// copyable are the pieces that may become parts: those that count as a whole.
func (w *Writer) copyable(t catalog.Timeline, s Sealing) []Piece {
	if w.b.opts.Capabilities.Sealing == store.SealByUpload {
		return nil
	}
	var pieces []Piece
	for _, p := range s.Pieces {
		r := reignOf(p.Epoch, t.Number, s.Manifest.Seq, w.Source().Epochs)
		mine := p.Timeline == t.Dir() && p.File == s.Manifest.Name
		if mine && p.Known && p.ETag != "" && p.First >= r.from && p.End <= r.to {
			pieces = append(pieces, p)
		}
	}
	return pieces
}

// upload makes the object, and proves it.
func (w *Writer) upload(ctx context.Context, key string, s Sealing, pieces []Piece, cond store.Condition) (store.Object, error) {
	m := s.Manifest
	plan := planParts(m.Size, pieces, w.b.opts.PartSize)
	summed := len(pieces) == 0 || w.b.opts.Capabilities.Sealing.Sum()
	u, err := store.StartUpload(ctx, w.b.store, key, store.UploadOptions{Sum: summed})
	if err != nil {
		return store.Object{}, err
	}
	parts, err := w.putParts(ctx, u, s.Local, plan)
	if err == nil {
		var sum uint32
		for _, p := range parts {
			sum = crc32c.Join(sum, p.CRC32C, p.Size)
		}
		err = w.b.sameSum(key, m, sum)
	}
	if err == nil {
		err = w.check()
	}
	var object store.Object
	if err == nil {
		object, err = store.FinishUpload(ctx, w.b.store, u, parts, store.CompleteOptions{Size: m.Size, CRC32C: uint32(m.CRC32C), If: cond}, w.b.opts.Policy)
		err = believed(err)
	}
	if err != nil && !errors.Is(err, store.ErrUncertain) {
		// What stays of it is ended by the next take-over.
		return store.Object{}, errors.Join(err, w.b.store.AbortUpload(ctx, u))
	}
	if err == nil && !(summed && w.b.opts.Capabilities.WholeSums) {
		err = w.b.readBack(ctx, object, m.Size, uint32(m.CRC32C))
	}
	return object, err
}

// putParts copies and uploads, several parts at a time.
func (w *Writer) putParts(ctx context.Context, u store.Upload, local io.ReaderAt, plan []part) ([]store.Part, error) {
	parts := make([]store.Part, len(plan))
	err := w.b.each(ctx, len(plan), func(ctx context.Context, i int) (err error) {
		parts[i], err = w.putPart(ctx, u, i+1, local, plan[i])
		return err
	})
	return parts, err
}

func (w *Writer) putPart(ctx context.Context, u store.Upload, number int, local io.ReaderAt, p part) (store.Part, error) {
	if p.piece != nil {
		from := store.Object{Key: w.b.PieceKey(p.piece.PieceID), ETag: p.piece.ETag, Size: p.piece.Size(), CRC32C: p.piece.CRC32C, HasCRC: true}
		copied, err := w.b.store.CopyPart(ctx, u, number, from)
		gone := errors.Is(err, store.ErrCondition) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrBadSum)
		if !gone {
			return copied, err
		}
		w.b.opts.Logger.Warn("a piece cannot be copied: uploading it from the local log", "key", from.Key, "error", err)
	}
	body := make([]byte, p.to-p.from)
	if _, err := io.ReadFull(io.NewSectionReader(local, p.from, p.to-p.from), body); err != nil {
		return store.Part{}, fmt.Errorf("read from %d to %d for %s: %w", p.from, p.to, u.Key, err)
	}
	return w.b.store.PutPart(ctx, u, number, body)
}
