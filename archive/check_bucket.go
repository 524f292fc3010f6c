package archive

import (
	"context"
	"errors"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// CheckBucket reads all that opts.Bucket holds of a source, by opts.Remote, and compares
// each thing with all that vouches for it, as Check does on a disk. Beside a writer it
// looks at what counts: what changes while it is read is read again.
//
// An error says that it could not be done: that the bucket cannot be used or reached. Not
// found is a change of lease.json that leaves it well-formed, and that the bucket lacks
// what came last.
func CheckBucket(ctx context.Context, opts Options, check CheckOptions) (CheckProgress, error) {
	opts = opts.withDefaults()
	var c *bucketChecker
	for try := 1; ; try++ {
		c = &bucketChecker{checker: checker{check: check}, b: opts.Bucket}
		c.a.init(opts)
		c.a.inBucket = true
		if err := c.survey(ctx); err != nil {
			return c.done, err
		}
		if len(c.early) == 0 || try == maxOpenTries {
			break
		}
		// What a writer changes meanwhile may look like damage, but only while it changes.
		again, err := c.b.Objects(ctx)
		if err != nil {
			return c.done, err
		}
		if c.unmoved(again) {
			break
		}
	}
	for _, f := range c.early {
		c.report(f)
	}
	c.reportLeftovers()
	for _, o := range c.objects {
		if _, piece := c.b.ParsePieceKey(o.Key); piece {
			c.done.BytesAll += o.Size
		}
	}
	if err := c.files(ctx, c.sealed()); err != nil {
		return c.done, err
	}
	return c.done, c.pieces(ctx)
}

// bucketChecker is a checker of a bucket.
type bucketChecker struct {
	checker
	b         *bucket.Bucket
	objects   []store.Object // listed before all else was read
	lease     *bucket.LeaseState
	source    *bucket.SourceDoc
	catalog   *bucket.Catalog // nil where it is damaged, or nothing tells of it
	tail      *bucket.Tail    // nil where a piece is damaged, which tailErr says
	tailErr   error
	leftovers []Leftover
}

func (c *bucketChecker) unmoved(again []store.Object) bool {
	return slices.EqualFunc(c.objects, again, func(a, b store.Object) bool {
		return a.Key == b.Key && (a.ETag == b.ETag || a.Key == c.b.LeaseKey())
	})
}

// survey reads the documents in an order in which a writer that is at work cannot make
// them contradict each other, and compares them.
func (c *bucketChecker) survey(ctx context.Context) (err error) {
	if c.objects, err = c.b.Objects(ctx); err != nil {
		return err
	}
	if c.source, err = c.b.Source(ctx); c.noteDamage(err) != nil {
		return err
	}
	damaged := err != nil
	if c.lease, err = c.b.LeaseState(ctx); c.noteDamage(err) != nil {
		return err
	}
	if err == nil && !damaged {
		c.compareLease()
	}
	if c.source == nil {
		if !damaged {
			c.noSource()
		}
		return nil
	}
	timeline := c.source.Timelines[len(c.source.Timelines)-1]
	if c.catalog, err = c.b.Catalog(ctx, timeline); err != nil {
		return c.noteDamage(err)
	}
	c.tail, c.tailErr = c.b.Tail(ctx, c.catalog)
	if c.tailErr != nil && !isDamage(c.tailErr) {
		return c.tailErr
	}
	if c.tail != nil && c.tail.Source != nil {
		c.source, c.catalog = c.tail.Source, c.tail.Catalog // which may be later ones
	}
	c.a.publish(func(v *view) { v.Timeline = timeline.Dir() })
	c.a.showSource(c.source.Source)
	c.hold()
	c.compareCatalog()
	return c.sortObjects(ctx)
}

// hold takes over what the catalog lists.
func (c *bucketChecker) hold() {
	for i := range c.catalog.Manifests {
		m := &c.catalog.Manifests[i]
		c.held = append(c.held, heldFile{
			begin: catalog.Begin{Seq: m.Seq, Epoch: m.Epoch, Name: m.Name}, sealed: m, stored: &catalog.Stored{Seq: m.Seq, ETag: m.ETag},
		})
	}
}

// sealed are the files that the catalog lists.
func (c *bucketChecker) sealed() (all []target) {
	for i, h := range c.held {
		m := h.sealed
		file, err := fileOf(m)
		if err != nil {
			c.report(Finding{c.b.CatalogKey(c.catalog.Timeline), 0, "the manifest of " + m.Name, err.Error()})
			continue
		}
		file.Manifest, file.Stored = m, true // whatever its ETag: what is there is to be read
		t := target{heldFile: h, file: file, size: m.Size, names: names{
			c.b.FileKey(c.catalog.Timeline, m.Name), c.b.IndexKey(c.catalog.Timeline, m.Name), c.b.CatalogKey(c.catalog.Timeline),
		}}
		switch {
		case m.Cut != nil:
		case i+1 < len(c.held):
			t.next = c.held[i+1].begin.Name
		case c.tail != nil && len(c.tail.Chains) > 0:
			t.next = c.tail.Chains[0].File
		}
		all = append(all, t)
	}
	return all
}

// noteDamage notes an error that is damage, and returns any other.
func (c *bucketChecker) noteDamage(err error) error {
	if !isDamage(err) {
		return err
	}
	d := asDamage(err)
	c.note(d.File, d.Offset, d.Expected, d.Found)
	return nil
}

// isDamage says that an error is about what the bucket holds, and will come again.
func isDamage(err error) bool {
	var own *DamageError
	var found *bucket.DamageError
	return errors.As(err, &own) || errors.As(err, &found) || errors.Is(err, store.ErrBadSum)
}

func asDamage(err error) *DamageError {
	var damage *DamageError
	errors.As(damagedObject(err, "", 0), &damage)
	return damage
}
