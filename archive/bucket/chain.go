package bucket

import (
	"cmp"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// Chain is what the bucket holds of a file that is not sealed: the unbroken run of
// pieces from its start.
type Chain struct {
	File string
	Seq  uint64
	// Spans follow each other without a hole from offset 0 on.
	Spans []Span
	// Hole is where the next piece behind the chain begins; 0 = there is none. What lies
	// between is lost, or not written yet.
	Hole int64
	// Leftovers are pieces that the chain does not need: covered by others, behind a
	// hole, or written by an epoch when it was over.
	Leftovers []Piece
}

// Span is the part of a piece that belongs to a chain.
type Span struct {
	Piece
	From, To int64 // offsets in the file
}

// End is how far the chain reaches.
func (c Chain) End() int64 {
	if len(c.Spans) == 0 {
		return 0
	}
	return c.Spans[len(c.Spans)-1].To
}

// Boundary is the last place in the chain where no transaction is open; 0 where there is
// none. Its pieces must be described.
func (c Chain) Boundary() int64 {
	if len(c.Spans) == 0 {
		return 0
	}
	// Where a later epoch has cut the last piece off, it did so at a boundary.
	last := c.Spans[len(c.Spans)-1]
	return min(last.Boundary, last.To)
}

// reign says for which offsets of a file the pieces of an epoch count.
type reign struct{ from, to int64 }

// reignOf gives the reign of an epoch in a file. It is empty for an epoch that is not
// recorded: its take-over did not happen, or not yet.
func reignOf(epoch uint64, timeline int, seq uint64, epochs []catalog.Epoch) reign {
	r := reign{from: maxInt, to: maxInt}
	for _, e := range epochs {
		begin := beginIn(e, timeline, seq)
		switch {
		case e.Number == epoch:
			r.from = begin
		case e.Number > epoch:
			r.to = min(r.to, begin)
		}
	}
	return r
}

// beginIn is where an epoch begins in a file: 0 if it began before, maxInt if after.
func beginIn(e catalog.Epoch, timeline int, seq uint64) int64 {
	order := cmp.Or(cmp.Compare(e.Timeline, timeline), cmp.Compare(e.Seq, seq))
	switch {
	case order < 0:
		return 0
	case order > 0:
		return maxInt
	}
	return e.Offset
}

// chainOf makes the chain of one file's pieces: at each place it goes on with the
// piece that reaches farthest, so that a big one replaces the small ones it covers.
func chainOf(file string, timeline int, seq uint64, pieces []Piece, epochs []catalog.Epoch) Chain {
	chain := Chain{File: file, Seq: seq}
	var spans []Span
	for _, p := range pieces {
		r := reignOf(p.Epoch, timeline, seq, epochs)
		span := Span{Piece: p, From: max(p.First, r.from), To: min(p.End, r.to)}
		if span.From < span.To {
			spans = append(spans, span)
		} else {
			chain.Leftovers = append(chain.Leftovers, p)
		}
	}
	slices.SortFunc(spans, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To), cmp.Compare(a.Epoch, b.Epoch))
	})
	for len(spans) > 0 && chain.Hole == 0 {
		at, best := chain.End(), -1
		for i := 0; i < len(spans) && spans[i].From <= at; i++ {
			if spans[i].To > at && (best < 0 || spans[i].To > spans[best].To) {
				best = i
			}
		}
		if best < 0 {
			spans = chain.skip(spans)
			continue
		}
		chosen := spans[best]
		for _, covered := range spans[:best] {
			chain.Leftovers = append(chain.Leftovers, covered.Piece)
		}
		spans = spans[best+1:]
		chosen.From = at
		chain.Spans = append(chain.Spans, chosen)
	}
	for _, behind := range spans {
		chain.Leftovers = append(chain.Leftovers, behind.Piece)
	}
	return chain
}

// skip takes what the chain covers already from the front, or finds the hole.
func (c *Chain) skip(spans []Span) []Span {
	if spans[0].To > c.End() {
		c.Hole = spans[0].From
		return spans
	}
	c.Leftovers = append(c.Leftovers, spans[0].Piece)
	return spans[1:]
}
