package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// Tail is what the bucket holds behind the last sealed file of a timeline.
type Tail struct {
	Source  *SourceDoc // read after the pieces were listed
	Catalog *Catalog
	// Chains are those of the files that are not sealed yet, in order, with described
	// pieces. All but the last are complete.
	Chains []Chain
	// Leftovers are all other pieces of the timeline: of sealed files, behind a hole, or
	// written by an epoch when it was over.
	Leftovers []Piece
}

// listings is how often pieces are listed before that they vanish is an error.
const listings = 10

// Tail reads what is behind the last sealed file of the catalog, which it reads again if that
// seems to be too old. A hole is believed only after a second listing.
func (b *Bucket) Tail(ctx context.Context, c *Catalog) (*Tail, error) {
	var pieces []Piece
	for attempt, holes := 1, 0; ; attempt++ {
		listed, err := b.listPieces(ctx, b.openFolder(c.Timeline))
		if err != nil {
			return nil, err
		}
		pieces = merge(pieces, listed)
		source, err := b.Source(ctx)
		if err != nil {
			return nil, err
		}
		tail := &Tail{Source: source, Catalog: c}
		whole, err := b.fillTail(ctx, tail, pieces)
		switch {
		case errors.Is(err, store.ErrNotFound) && attempt < listings:
			pieces = nil // a larger piece has replaced one meanwhile
		case err != nil:
			return nil, err
		case whole || holes > 0:
			return tail, nil
		default:
			holes++
		}
		if c, err = b.Catalog(ctx, c.Timeline); err != nil {
			return nil, err
		}
	}
}

// fillTail puts each piece where it belongs. It is whole if no piece lies behind a hole.
func (b *Bucket) fillTail(ctx context.Context, tail *Tail, pieces []Piece) (whole bool, err error) {
	files := map[string][]Piece{}
	for _, p := range pieces {
		if tail.Catalog.Find(p.File) != nil {
			tail.Leftovers = append(tail.Leftovers, p)
		} else {
			files[p.File] = append(files[p.File], p)
		}
	}
	if err := b.follow(ctx, tail, files); err != nil {
		return false, err
	}
	whole = true
	for i, chain := range tail.Chains {
		whole = whole && chain.Hole == 0
		tail.Leftovers = append(tail.Leftovers, chain.Leftovers...)
		tail.Chains[i].Leftovers = nil
		delete(files, chain.File)
	}
	for _, stray := range files {
		whole = false
		tail.Leftovers = append(tail.Leftovers, stray...)
	}
	return whole, nil
}

// CheckReach makes sure that the catalog, with the files behind it, comes as far as when the
// last epoch began: an older catalog would let files be forgotten. A piece that is lost is
// another matter: the source is asked for its bytes again.
func (b *Bucket) CheckReach(t *Tail) error {
	if t.Source == nil || len(t.Source.Epochs) == 0 {
		return nil
	}
	seq := uint64(len(t.Catalog.Manifests) + len(t.Chains))
	began := t.Source.Epochs[len(t.Source.Epochs)-1]
	if began.Timeline != t.Catalog.Timeline.Number || began.Seq <= seq+1 {
		return nil
	}
	return &DamageError{
		Key:      b.CatalogKey(t.Catalog.Timeline),
		Expected: fmt.Sprintf("the files before %s, as when epoch %d began", began.File, began.Number),
		Found:    fmt.Sprintf("%d files instead of %d", seq, began.Seq-1),
	}
}

// follow finds the file behind the last sealed one, and then the one behind that, as long
// as each is complete.
func (b *Bucket) follow(ctx context.Context, tail *Tail, files map[string][]Piece) error {
	if tail.Source == nil {
		return nil
	}
	firsts, err := b.firstPieces(ctx, files, tail.Source.Epochs)
	if err != nil {
		return err
	}
	timeline, seq, before := tail.Catalog.Timeline.Number, uint64(1), (*After)(nil)
	if last := tail.Catalog.Last(); last != nil {
		seq, before = last.Seq+1, &After{Name: last.Name, FileProof: catalog.FileProof{Size: last.Size, CRC32C: last.CRC32C}}
	}
	for ; ; seq++ {
		if n := len(tail.Chains); n > 0 {
			if before, err = b.after(ctx, tail.Chains[n-1]); err != nil {
				return err
			}
		}
		file, found := "", false
		for _, p := range firsts {
			r := reignOf(p.Epoch, timeline, seq, tail.Source.Epochs)
			if p.Seq == seq && r.from == 0 && r.to > 0 && follows(p.After, before) {
				file, found = p.File, true
			}
		}
		if !found {
			return nil
		}
		chain := chainOf(file, timeline, seq, files[file], tail.Source.Epochs)
		if err := b.describeAll(ctx, chain.Spans); err != nil {
			return err
		}
		tail.Chains = append(tail.Chains, chain)
	}
}

// Relevant describes a leftover, and says whether it would count if the bytes before it
// were there: then they are lost, or not written yet.
func (b *Bucket) Relevant(ctx context.Context, tail *Tail, p Piece) (Piece, bool, error) {
	described, err := b.Describe(ctx, p)
	if err != nil || tail.Source == nil || tail.Catalog.Find(p.File) != nil {
		return described, false, err
	}
	r := reignOf(p.Epoch, tail.Catalog.Timeline.Number, described.Seq, tail.Source.Epochs)
	end := int64(0)
	for _, chain := range tail.Chains {
		if chain.File == p.File {
			end = chain.End()
		}
	}
	return described, max(p.First, r.from, end) < min(p.End, r.to), nil
}

func follows(after, before *After) bool {
	if after == nil || before == nil {
		return after == before
	}
	return *after == *before
}

// firstPieces describes the pieces at the start of files. Those of an epoch that never began do
// not count, whatever they are.
func (b *Bucket) firstPieces(ctx context.Context, files map[string][]Piece, epochs []catalog.Epoch) ([]Piece, error) {
	var firsts []Piece
	for _, pieces := range files {
		for _, p := range pieces {
			began := slices.ContainsFunc(epochs, func(e catalog.Epoch) bool { return e.Number == p.Epoch })
			if p.First == 0 && began {
				firsts = append(firsts, p)
			}
		}
	}
	err := b.each(ctx, len(firsts), func(ctx context.Context, i int) (err error) {
		firsts[i], err = b.Describe(ctx, firsts[i])
		return err
	})
	return firsts, err
}

func (b *Bucket) describeAll(ctx context.Context, spans []Span) error {
	return b.each(ctx, len(spans), func(ctx context.Context, i int) (err error) {
		spans[i].Piece, err = b.Describe(ctx, spans[i].Piece)
		return err
	})
}

// after says what a chain holds, as the first piece of the next file does. Of a span that
// is not a whole piece the sum is not known without reading it.
func (b *Bucket) after(ctx context.Context, chain Chain) (*After, error) {
	var sum uint32
	for _, span := range chain.Spans {
		part := span.CRC32C
		if span.From != span.First || span.To != span.End {
			var err error
			r := store.Range{Offset: span.From - span.First, Length: span.To - span.From, IfMatch: span.ETag}
			if part, err = b.sumRange(ctx, b.PieceKey(span.PieceID), r); err != nil {
				return nil, err
			}
		}
		sum = crc32c.Join(sum, part, span.To-span.From)
	}
	return &After{Name: chain.File, FileProof: catalog.FileProof{Size: chain.End(), CRC32C: catalog.CRC32C(sum)}}, nil
}
