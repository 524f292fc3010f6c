package archive

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Finding is a place in an archive that is not as it must be.
type Finding struct {
	Object   string `json:"object"` // path of a file
	Offset   int64  `json:"offset"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// CheckOptions say what Check reads and whom it tells. None is needed.
type CheckOptions struct {
	Want     func(File) bool     // whether a file is to be read; nil = each
	Report   func(Finding)       // told of each finding when it is made
	Leftover func(Leftover)      // told of each object of a bucket on which nobody relies
	Progress func(CheckProgress) // told now and then
}

// Leftover is an object of a bucket that does not count, and is no damage: what a writer
// has not deleted yet, or left when it ended.
type Leftover struct {
	Object string `json:"object"` // its key
	Bytes  int64  `json:"bytes"`
	Reason string `json:"reason"`
}

// CheckProgress says how far a check has come.
type CheckProgress struct {
	Object    string // being read
	Bytes     int64  // read of binlog files
	BytesAll  int64  // to be read
	Files     int    // done
	FilesAll  int
	Elsewhere int // of them not on the disk any more: only in the bucket
	Findings  int
	Leftovers int // objects of the bucket that do not count
}

// Check reads all that is held, and compares each thing with all that vouches for it. It
// goes on behind a finding. Beside a writer it looks at what is durable, as OpenReadOnly
// does. An error says that it could not be done, not what it has found: without
// source.json, and behind damage in a catalog, nothing is known to look at.
func Check(ctx context.Context, opts Options, check CheckOptions) (CheckProgress, error) {
	opts = opts.withDefaults()
	var c *checker
	for try := 1; ; try++ {
		c = &checker{check: check}
		c.a.init(opts)
		docs, err := c.a.readDocuments()
		if err == nil {
			err = c.documents(docs)
		}
		if err = c.noteDamage(err); err != nil {
			return c.done, err
		}
		// What a writer changes meanwhile may look like damage, but only while it changes.
		if again, _ := c.a.readDocuments(); len(c.early) == 0 || try == maxOpenTries || docs.equal(again) {
			break
		}
	}
	for _, f := range c.early {
		c.report(f)
	}
	return c.done, c.files(ctx, c.targets())
}

type checker struct {
	a     Archive
	check CheckOptions
	held  []heldFile
	mark  mark
	early []Finding // before it is sure that nothing moves
	done  CheckProgress

	before *checked // the file before, if that was found to be sound
}

func (c *checker) report(f Finding) {
	c.done.Findings++
	if c.check.Report != nil {
		c.check.Report(f)
	}
}

func (c *checker) reportDamage(d *DamageError) {
	c.report(Finding{d.File, d.Offset, d.Expected, d.Found})
}

func (c *checker) note(object string, offset int64, expected, found string) {
	c.early = append(c.early, Finding{object, offset, expected, found})
}

// noteDamage notes an error that is damage, and returns any other.
func (c *checker) noteDamage(err error) error {
	var damage *DamageError
	if !errors.As(err, &damage) {
		return err
	}
	c.note(damage.File, damage.Offset, damage.Expected, damage.Found)
	return nil
}

// documents compares source.json, catalog and MARK with each other, and with what is in
// the directory.
func (c *checker) documents(docs documents) error {
	if docs.encoded == nil {
		return nil
	}
	c.a.publish(func(v *view) { v.Timeline = docs.timeline() })
	c.a.showSource(docs.source)
	name := catalogPath(c.a.timelineDir())
	held, _, valid, err := listCatalog(name, docs.catalog)
	c.held = held
	if err != nil {
		return err
	}
	m, damaged, err := c.a.decodeMark(docs.mark)
	if err != nil {
		return err
	}
	if damaged {
		c.note(markPath(c.a.dir), 0, "two slots that are marks, or were never written", "a damaged one")
	}
	if m.sequence == 0 && !damaged && len(held) > 1 {
		c.note(markPath(c.a.dir), 0, "a mark: files are complete", "none")
	}
	if err := c.a.checkMark(m, held, int64(valid)); err != nil {
		return err
	}
	c.mark = m
	c.cuts(sourcePath(c.a.dir))
	c.proofs(name)
	return c.unknownFiles(name)
}

// proofs compares what the catalog says of one file in several places.
func (c *checker) proofs(name string) {
	for i, h := range c.held[:max(len(c.held)-1, 0)] {
		m, after := h.sealed, c.held[i+1].begin.After
		if m != nil && (after.Size != m.Size || after.CRC32C != m.CRC32C) {
			c.note(name, 0, fmt.Sprintf("%s of %d bytes with CRC32C %s, which the next file began behind", m.Name, after.Size, after.CRC32C),
				fmt.Sprintf("%d bytes with CRC32C %s", m.Size, m.CRC32C))
		}
	}
}

// cuts compares the gaps of source.json with the files that end before their end.
func (c *checker) cuts(source string) {
	for _, h := range c.held {
		m := h.sealed
		if m == nil {
			continue
		}
		gap, cut := c.a.gapBehind(h.begin.Seq)
		switch {
		case cut != (m.Cut != nil):
			c.note(source, 0, fmt.Sprintf("a gap behind %s: %v, as the catalog says", m.Name, m.Cut != nil), fmt.Sprint(cut))
		case cut && (gap.Size != m.Size || gap.From.Offset != m.Cut.Offset):
			c.note(source, 0, fmt.Sprintf("a gap behind %s at %d", m.Name, m.Cut.Offset), gap.From.String())
		}
	}
}

// unknownFiles looks for files with events that the catalog does not know.
func (c *checker) unknownFiles(catalogName string) error {
	dir := c.a.timelineDir()
	names, err := c.a.fs.ReadDir(dir)
	if err != nil {
		return &DiskError{Op: "read", File: dir, Err: err}
	}
	known := map[string]bool{}
	for _, h := range c.held {
		known[h.begin.Name] = true
	}
	for _, name := range names {
		binlog := strings.TrimSuffix(name, indexSuffix)
		if known[binlog] || binlog != name || replication.ValidFileName(name) != nil {
			continue
		}
		if size, err := c.a.fs.Stat(path.Join(dir, name)); err == nil && size > replication.FirstEventOffset {
			c.note(catalogName, 0, "a record of "+name+", which has events", "none")
		}
	}
	return nil
}

// targets are the files that can be read, in order.
func (c *checker) targets() (all []target) {
	for i, h := range c.held {
		if t, ok := c.target(i, h); ok {
			all = append(all, t)
		}
	}
	return all
}

func (c *checker) wants(f File) bool { return c.check.Want == nil || c.check.Want(f) }

// files reads those of the files that are wanted.
func (c *checker) files(ctx context.Context, all []target) error {
	var wanted []target
	for _, t := range all {
		if c.wants(t.file) {
			wanted = append(wanted, t)
			c.done.BytesAll += t.size
		}
	}
	c.done.FilesAll += len(wanted)
	for _, t := range wanted {
		c.done.Object = t.names.file
		read := c.done.Bytes
		if err := c.file(ctx, t); err != nil {
			return err
		}
		c.done.Bytes = read + t.size // also where it ends too early
		c.done.Files++
		c.progress(0)
	}
	return nil
}

func (c *checker) progress(bytes int64) {
	c.done.Bytes += bytes
	if c.check.Progress != nil {
		c.check.Progress(c.done)
	}
}

// target is a file to be read, and what is known of it from elsewhere.
type target struct {
	heldFile
	file  File
	size  int64 // how much of it is durable
	proof *catalog.FileProof
	names names
	next  string // the file that must follow; "" for none, or any
	last  bool   // it may still grow
}

// names are those of a target's objects.
type names struct{ file, index, catalog string }

// target says what is to be read of a file; ok is false for nothing.
func (c *checker) target(i int, h heldFile) (t target, ok bool) {
	t = target{heldFile: h, names: names{c.a.filePath(h.begin.Name), c.a.indexPath(h.begin.Name), catalogPath(c.a.timelineDir())}, file: File{Seq: h.begin.Seq, Name: h.begin.Name, Stored: h.stored != nil}}
	gap, cut := c.a.gapBehind(h.begin.Seq)
	if i+1 < len(c.held) {
		t.proof = c.held[i+1].begin.After
		if t.size = t.proof.Size; !cut {
			t.next = c.held[i+1].begin.Name
		}
	}
	switch {
	case h.sealed != nil:
		t.size = h.sealed.Size
		t.file.Manifest, t.file.LastTime = h.sealed, commitTime(h.sealed.LastCommit)
	case t.proof != nil:
	case cut:
		t.size = gap.Size
	case c.mark.fileSeq == h.begin.Seq:
		t.size, t.last = c.mark.offset, true
	default:
		return t, false
	}
	return t, true
}
