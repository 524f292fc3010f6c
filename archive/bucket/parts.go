package bucket

import (
	"cmp"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// part is a run of a sealed file's bytes: a copy of a whole piece, or to be uploaded.
type part struct {
	from, to int64
	piece    *Piece // nil = upload
}

// planParts divides a file into parts. Pieces become parts where they are large enough
// and leave no stretch between them that is too small to be a part; the rest is
// uploaded, in parts of about partSize bytes, or more where there would be too many.
func planParts(size int64, pieces []Piece, partSize int64) []part {
	pieces = slices.Clone(pieces)
	slices.SortFunc(pieces, func(a, b Piece) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.End, a.End))
	})
	var copies []part
	end := int64(0)
	for i, p := range pieces {
		gap := p.First - end
		small := p.Size() < store.MinPart || gap < 0 || gap > 0 && gap < store.MinPart
		if small || p.End > size || p.Size() > store.MaxPart || len(copies) == store.MaxParts/3 {
			continue
		}
		copies = append(copies, part{from: p.First, to: p.End, piece: &pieces[i]})
		end = p.End
	}
	partSize = max(partSize, size/(store.MaxParts/4))
	var parts []part
	end = 0
	for _, c := range copies {
		parts = append(split(parts, end, c.from, partSize), c)
		end = c.to
	}
	return split(parts, end, size, partSize)
}

// split adds equal parts for a stretch, of size bytes to nearly twice as many; a shorter
// stretch is one part.
func split(parts []part, from, to, size int64) []part {
	if from == to {
		return parts
	}
	for n := max((to-from)/size, 1); n > 0; n-- {
		next := from + (to-from)/n
		parts = append(parts, part{from: from, to: next})
		from = next
	}
	return parts
}
