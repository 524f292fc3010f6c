package bucket

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// The chain against a model that asks of each byte whether any piece has it that counts
// there.
func TestChainIsTheUnbrokenRunOfBytesThatCount(t *testing.T) {
	const size, seq = 24, 5
	rapid.Check(t, func(t *rapid.T) {
		var epochs []catalog.Epoch
		for n := range rapid.IntRange(1, 4).Draw(t, "epochs") {
			epochs = append(epochs, catalog.Epoch{
				Number: uint64(n) + 1, Timeline: rapid.IntRange(0, 2).Draw(t, "timeline"),
				Seq: rapid.Uint64Range(seq-1, seq+1).Draw(t, "seq"), Offset: rapid.Int64Range(0, size).Draw(t, "offset"),
			})
		}
		pieces := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Piece {
			first := rapid.Int64Range(0, size-1).Draw(t, "first")
			return Piece{PieceID: PieceID{First: first, End: rapid.Int64Range(first+1, size).Draw(t, "end"), Epoch: rapid.Uint64Range(1, 5).Draw(t, "epoch")}}
		}), 0, 12).Draw(t, "pieces")

		counts := func(p Piece, at int64) bool {
			recorded := false
			for _, e := range epochs {
				begun := e.Timeline < 1 || e.Timeline == 1 && (e.Seq < seq || e.Seq == seq && e.Offset <= at)
				if e.Number == p.Epoch {
					recorded = true
					if !begun {
						return false
					}
				} else if e.Number > p.Epoch && begun {
					return false
				}
			}
			return recorded && p.First <= at && at < p.End
		}
		end := int64(0)
		for held := true; held; {
			held = false
			for _, p := range pieces {
				held = held || counts(p, end)
			}
			if held {
				end++
			}
		}
		hole := int64(0)
		for at := end; at < size && hole == 0; at++ {
			for _, p := range pieces {
				if counts(p, at) {
					hole = at
				}
			}
		}

		chain := chainOf("f", 1, seq, pieces, epochs)
		if chain.End() != end || chain.Hole != hole {
			t.Fatalf("ends at %d, next at %d, expected %d, %d: %+v", chain.End(), chain.Hole, end, hole, chain)
		}
		at := int64(0)
		for _, span := range chain.Spans {
			if span.From != at || span.To <= at {
				t.Fatalf("span from %d to %d at %d", span.From, span.To, at)
			}
			for ; at < span.To; at++ {
				if !counts(span.Piece, at) {
					t.Fatalf("byte %d of %+v does not count", at, span.Piece)
				}
			}
		}
		if len(chain.Spans)+len(chain.Leftovers) != len(pieces) {
			t.Fatalf("%d pieces became %d and %d", len(pieces), len(chain.Spans), len(chain.Leftovers))
		}
	})
}

// A big piece replaces the small ones that it covers, wherever a crash came between
// writing it and deleting them.
func TestTheLongestPieceIsPreferred(t *testing.T) {
	epochs := []catalog.Epoch{{Number: 1}}
	var pieces []Piece
	for _, run := range [][2]int64{{0, 10}, {10, 20}, {0, 20}, {20, 25}, {10, 30}} {
		pieces = append(pieces, Piece{PieceID: PieceID{First: run[0], End: run[1], Epoch: 1}})
	}
	chain := chainOf("f", 1, 1, pieces, epochs)
	if len(chain.Spans) != 2 || chain.Spans[0].End != 20 || chain.Spans[1].From != 20 || chain.End() != 30 || len(chain.Leftovers) != 3 {
		t.Errorf("%+v", chain)
	}
}
