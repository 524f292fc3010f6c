package bucket

import (
	"context"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// Pieces gives what the bucket holds of one file that is not sealed. It lists the file's
// pieces and then reads source.json, so that nothing counts that a take-over has cut off. A
// hole is believed only after a second listing. The pieces are not described; one that is
// gone when it is read has been replaced by a larger one, or its file is sealed by now.
func (b *Bucket) Pieces(ctx context.Context, t catalog.Timeline, file string, seq uint64) (Chain, error) {
	var pieces []Piece
	for again := false; ; again = true {
		listed, err := b.listPieces(ctx, b.openFolder(t)+file+"/")
		if err != nil {
			return Chain{}, err
		}
		pieces = merge(pieces, listed)
		source, err := b.Source(ctx)
		if err != nil || source == nil {
			return Chain{File: file, Seq: seq}, err
		}
		chain := chainOf(file, t.Number, seq, pieces, source.Epochs)
		if chain.Hole == 0 || again {
			return chain, nil
		}
	}
}

// listPieces lists the pieces below a prefix. Other objects there are none of ours.
func (b *Bucket) listPieces(ctx context.Context, prefix string) ([]Piece, error) {
	objects, err := b.list(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var pieces []Piece
	for _, object := range objects {
		id, ok := b.ParsePieceKey(object.Key)
		if !ok || object.Size != id.Size() {
			b.opts.Logger.Warn("an object among the pieces is none", "key", object.Key, "bytes", object.Size)
			continue
		}
		pieces = append(pieces, Piece{PieceID: id, ETag: object.ETag})
	}
	return pieces, nil
}

// merge adds to pieces those of a second listing that the first did not have.
func merge(pieces, listed []Piece) []Piece {
	known := make(map[PieceID]bool, len(pieces))
	for _, p := range pieces {
		known[p.PieceID] = true
	}
	for _, p := range listed {
		if !known[p.PieceID] {
			pieces = append(pieces, p)
		}
	}
	return pieces
}
