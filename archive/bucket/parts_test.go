package bucket

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Whatever pieces there are, the parts are what every store accepts, and are the file.
func TestPartsMakeAFileThatEveryStoreAccepts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.Int64Range(store.MinPart, 200<<20), rapid.Int64Range(1<<30, 400<<30)).Draw(t, "size")
		pieces := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Piece {
			first := rapid.Int64Range(0, size-1).Draw(t, "first")
			length := rapid.Int64Range(1, 64<<20).Draw(t, "length")
			return Piece{PieceID: PieceID{First: first, End: first + length}}
		}), 0, 30).Draw(t, "pieces")
		for i := range pieces[:rapid.IntRange(0, len(pieces)).Draw(t, "follow")] {
			if i > 0 { // as a writer makes them
				length := pieces[i].Size()
				pieces[i].First = pieces[i-1].End
				pieces[i].End = pieces[i].First + length
			}
		}
		plan := planParts(size, pieces, 8<<20)
		at := int64(0)
		for i, p := range plan {
			length := p.to - p.from
			if p.from != at || length < 1 || length > store.MaxPart || i < len(plan)-1 && length < store.MinPart {
				t.Fatalf("part %d of %d from %d to %d at %d", i, len(plan), p.from, p.to, at)
			}
			if p.piece != nil && (p.piece.First != p.from || p.piece.End != p.to) {
				t.Fatalf("part from %d to %d is to be a copy of %+v", p.from, p.to, p.piece)
			}
			at = p.to
		}
		if at != size || len(plan) > store.MaxParts {
			t.Fatalf("%d parts make %d bytes of %d", len(plan), at, size)
		}
	})
}

func TestBigPiecesThatFollowEachOtherAreCopied(t *testing.T) {
	const mib = 1 << 20
	var pieces []Piece
	for at := int64(0); at < 80*mib; at += 8 * mib {
		pieces = append(pieces, Piece{PieceID: PieceID{First: at, End: at + 8*mib}}, Piece{PieceID: PieceID{First: at, End: at + mib}})
	}
	plan := planParts(83*mib, pieces, 8*mib)
	if len(plan) != 11 || plan[9].piece == nil || plan[10].piece != nil {
		t.Errorf("%+v", plan)
	}
}
