package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// noSource judges a bucket without source.json: who begins writes lease.json before that, and nothing else.
func (c *bucketChecker) noSource() {
	n := len(c.objects)
	for _, o := range c.objects {
		if o.Key == c.b.LeaseKey() {
			n--
		}
	}
	if n > 0 {
		c.note(c.b.SourceKey(), 0, fmt.Sprintf("the source that %d objects belong to", n), "no such object")
	}
}

// compareLease compares the lease, which gives an epoch out, with source.json, where it begins.
func (c *bucketChecker) compareLease() {
	switch {
	case c.source == nil:
	case c.lease == nil:
		c.note(c.b.LeaseKey(), 0, "a lease, which is never deleted", "no such object")
	case c.lease.Epoch < c.source.Epoch:
		c.note(c.b.LeaseKey(), 0, fmt.Sprintf("epoch %d or a later one, as source.json says", c.source.Epoch), fmt.Sprintf("epoch %d: an older copy", c.lease.Epoch))
	}
}

// compareCatalog compares the catalog with source.json.
func (c *bucketChecker) compareCatalog() {
	key := c.b.CatalogKey(c.catalog.Timeline)
	if epoch := c.catalog.Epoch; epoch > 0 && epoch < c.source.Epoch {
		c.note(key, 0, fmt.Sprintf("epoch %d or a later one, as source.json says", c.source.Epoch), fmt.Sprintf("epoch %d: an older copy", epoch))
	}
	for _, m := range c.catalog.Manifests {
		if m.Epoch > c.source.Epoch {
			c.note(c.b.SourceKey(), 0, fmt.Sprintf("epoch %d, which has sealed %s", m.Epoch, m.Name), fmt.Sprintf("epoch %d: an older copy", c.source.Epoch))
			break
		}
	}
	c.cuts(c.b.SourceKey())
	c.compareEpochs()
}

// compareEpochs compares where the last epoch began with what is there.
func (c *bucketChecker) compareEpochs() {
	n := len(c.source.Epochs)
	if n == 0 || c.tail == nil {
		return
	}
	began, listed := c.source.Epochs[n-1], uint64(len(c.catalog.Manifests))
	if began.Timeline != c.catalog.Timeline.Number || began.Seq <= listed {
		return
	}
	if i := began.Seq - listed - 1; i < uint64(len(c.tail.Chains)) {
		if chain := c.tail.Chains[i]; chain.Hole == 0 && chain.End() < began.Offset {
			c.noteMissing(chain.File, chain.End(), began.Offset, fmt.Sprintf("epoch %d began there", began.Number))
		}
	} else if began.Offset > 0 && i == uint64(len(c.tail.Chains)) {
		c.noteMissing(began.File, 0, began.Offset, fmt.Sprintf("epoch %d began there", began.Number))
	} else if damage := (*bucket.DamageError)(nil); errors.As(c.b.CheckReach(c.tail), &damage) {
		c.note(damage.Key, 0, damage.Expected, damage.Found)
	}
}

// noteMissing notes that there is no piece where one must be, once. Of its key the end is
// not known.
func (c *bucketChecker) noteMissing(file string, from, to int64, why string) {
	key := c.b.PieceKey(bucket.PieceID{Timeline: c.catalog.Timeline.Dir(), File: file, First: from})
	key, _, _ = strings.Cut(key, fmt.Sprintf("-%020d-", 0))
	if slices.ContainsFunc(c.early, func(f Finding) bool { return f.Object == key }) ||
		slices.ContainsFunc(c.objects, func(o store.Object) bool { return strings.HasPrefix(o.Key, key) && c.wrongSize(o) }) {
		return
	}
	c.note(key, from, fmt.Sprintf("a piece that begins there, as the bytes up to %d were in the bucket: %s", to, why), "no such object")
}

// wrongSize says that an object is a piece that has not the size that its name says, which
// is found when it is read.
func (c *bucketChecker) wrongSize(o store.Object) bool {
	id, piece := c.b.ParsePieceKey(o.Key)
	return piece && id.Size() != o.Size
}

// sortObjects finds what belongs to nothing.
func (c *bucketChecker) sortObjects(ctx context.Context) error {
	present := map[string]bool{}
	for _, o := range c.objects {
		present[o.Key] = true
	}
	for _, o := range c.objects {
		_, piece := c.b.ParsePieceKey(o.Key)
		if !piece && o.Key != c.b.SourceKey() && o.Key != c.b.LeaseKey() && !c.isCatalog(o.Key) {
			c.sortFile(o, present)
		}
	}
	if c.tail == nil {
		return nil
	}
	for _, chain := range c.tail.Chains {
		if chain.Hole > 0 {
			c.noteMissing(chain.File, chain.End(), chain.Hole, "the next piece begins there")
		}
	}
	return c.sortPieces(ctx)
}

func (c *bucketChecker) isCatalog(key string) bool {
	for _, t := range c.source.Timelines {
		if c.b.InCatalog(t, key) {
			return true
		}
	}
	return false
}

// sortFile judges an object that is neither a document nor a piece. A file that the catalog
// does not list is being sealed, unless it is complete, its pieces are gone and nobody is
// at work: then the catalog has listed it.
func (c *bucketChecker) sortFile(o store.Object, present map[string]bool) {
	timeline, file, index, ok := c.b.ParseFileKey(o.Key)
	if !ok || !c.known(timeline) {
		c.leave(o, "an object that is none of ours")
		return
	}
	if timeline != c.catalog.Timeline.Dir() || c.catalog.Find(file) != nil {
		return
	}
	t := c.catalog.Timeline
	writing := c.lease != nil && !c.lease.Released
	if !index && present[c.b.IndexKey(t, file)] && !c.inPieces(file) && c.tail != nil && !writing {
		c.note(c.b.CatalogKey(t), 0, "the manifest of "+file+", which is there with its index, and whose pieces are gone", "none: an older copy")
		return
	}
	c.leave(o, "the catalog does not list the file: it is being sealed, or that was not finished")
}

func (c *bucketChecker) known(timeline string) bool {
	for _, t := range c.source.Timelines {
		if t.Dir() == timeline {
			return true
		}
	}
	return false
}

func (c *bucketChecker) inPieces(file string) bool {
	for _, chain := range c.tail.Chains {
		if chain.File == file {
			return true
		}
	}
	return false
}

// sortPieces judges the pieces that no chain has. One that would count if what is before it
// were there tells of a loss, where what is before it was in the bucket.
func (c *bucketChecker) sortPieces(ctx context.Context) error {
	for _, p := range c.tail.Leftovers {
		described, relevant, err := c.b.Relevant(ctx, c.tail, p)
		switch {
		case errors.Is(err, store.ErrNotFound) || isDamage(err): // gone meanwhile; or found when it is read
			continue
		case err != nil:
			return err
		}
		o := store.Object{Key: c.b.PieceKey(p.PieceID), Size: p.Size()}
		switch {
		case c.catalog.Find(p.File) != nil:
			c.leave(o, "a piece of a file that is sealed")
		case !relevant:
			c.leave(o, "a piece that others cover, or of an epoch that was over")
		case c.inPieces(p.File): // behind a hole, which is noted
			c.leave(o, "a piece behind one that is missing")
		default:
			c.sortStray(described, o)
		}
	}
	return nil
}

// sortStray judges a piece of a file that follows on none in the bucket.
func (c *bucketChecker) sortStray(p bucket.Piece, o store.Object) {
	c.leave(o, "a piece that does not count, as what is before it is not in the bucket: it was not copied yet, or is lost")
	if p.First > 0 {
		if !c.hasFirst(p.File) {
			c.noteMissing(p.File, 0, p.First, "later ones are there")
		}
		return
	}
	if n := len(c.tail.Chains); n > 0 && p.After != nil {
		if chain := c.tail.Chains[n-1]; chain.File == p.After.Name && chain.End() < p.After.Size {
			c.noteMissing(chain.File, chain.End(), p.After.Size, "the next file was begun behind that")
		}
	}
	if p.After != nil {
		if m := c.catalog.Find(p.After.Name); m != nil && (catalog.FileProof{Size: m.Size, CRC32C: m.CRC32C}) != p.After.FileProof {
			c.note(c.b.CatalogKey(c.catalog.Timeline), 0, fmt.Sprintf("%s of %d bytes with CRC32C %s, behind which %s begins", m.Name, p.After.Size, p.After.CRC32C, p.File),
				fmt.Sprintf("%d bytes with CRC32C %s", m.Size, m.CRC32C))
		}
	}
}

func (c *bucketChecker) hasFirst(file string) bool {
	for _, o := range c.objects {
		if id, ok := c.b.ParsePieceKey(o.Key); ok && id.File == file && id.First == 0 {
			return true
		}
	}
	return false
}

func (c *bucketChecker) leave(o store.Object, why string) {
	c.leftovers = append(c.leftovers, Leftover{o.Key, o.Size, why})
}

func (c *bucketChecker) reportLeftovers() {
	for _, l := range c.leftovers {
		c.done.Leftovers++
		if c.check.Leftover != nil {
			c.check.Leftover(l)
		}
	}
}
