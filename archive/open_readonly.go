package archive

import (
	"bytes"
	"context"
	"errors"
	"path"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// OpenReadOnly opens the directory of a source for reading, also beside the process
// that writes to it: it takes no lock and changes nothing on the disk. What it shows are
// the complete files, and the open file up to the last transaction boundary before MARK.
// It stays so: Changed tells of nothing, and a reader's ErrTail is final.
//
// Of the options, Dir, FS, Logger and ReadBuffer count; with Bucket and Remote, files that
// are only in the bucket are read from there. Errors are a *FormatError, a
// *DamageError of source.json, or what the disk said. Other damage is among them no more
// than with Open: what stands before it is shown, and State().Stopped has the
// *DamageError. A sealed file is not looked at: who reads it finds out.
func OpenReadOnly(ctx context.Context, opts Options) (*Archive, error) {
	opts = opts.withDefaults()
	for try := 1; ; try++ {
		a := &Archive{}
		a.init(opts)
		docs, err := a.readDocuments()
		if err == nil {
			err = a.showHeld(ctx, docs)
		}
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		// What a writer changes while it is being read may look like damage, but only while
		// it changes.
		if again, _ := a.readDocuments(); try < maxOpenTries && !docs.equal(again) {
			continue
		}
		return a.without(err)
	}
}

const maxOpenTries = 10

// without gives what could be shown before err, if that is damage.
func (a *Archive) without(err error) (*Archive, error) {
	var damage *DamageError
	if !errors.As(err, &damage) || a.State().Timeline == "" {
		return nil, err
	}
	a.logger.Error("damage: what stands before it is shown", "err", err)
	a.publish(func(v *view) { v.Stopped, v.damage = err, err })
	return a, nil
}

// documents are what is known of the files beside their bytes, as of one moment.
type documents struct {
	source  catalog.Source
	encoded []byte // source; nil while nothing is bound
	mark    []byte // nil where there is none
	catalog []byte
}

func (d documents) equal(other documents) bool {
	return bytes.Equal(d.encoded, other.encoded) && bytes.Equal(d.mark, other.mark) && bytes.Equal(d.catalog, other.catalog)
}

func (d documents) timeline() string {
	return d.source.Timelines[len(d.source.Timelines)-1].Dir()
}

// readDocuments reads what vouches for something before that: MARK before the catalog
// that lists the file that MARK names. source.json has a gap before the catalog has the
// file behind it, and so is read last, too.
func (a *Archive) readDocuments() (docs documents, err error) {
	encoded, source, err := a.readSource()
	for err == nil && encoded != nil && !bytes.Equal(encoded, docs.encoded) {
		docs.encoded, docs.source = encoded, source
		if docs.mark, err = readFile(a.fs, markPath(a.dir)); err != nil && !isNotExist(err) {
			return docs, unreadable("read", markPath(a.dir), err)
		}
		name := catalogPath(path.Join(a.dir, docs.timeline()))
		if docs.catalog, err = readFile(a.fs, name); isNotExist(err) {
			return docs, noCatalog(name)
		}
		if err != nil {
			return docs, unreadable("read", name, err)
		}
		encoded, source, err = a.readSource()
	}
	return docs, err
}

// showHeld goes through the catalog's files in order.
func (a *Archive) showHeld(ctx context.Context, docs documents) error {
	if docs.encoded == nil {
		return nil
	}
	a.publish(func(v *view) { v.Timeline = docs.timeline() })
	a.showSource(docs.source)
	held, _, valid, err := listCatalog(catalogPath(a.timelineDir()), docs.catalog)
	m, _, markErr := a.decodeMark(docs.mark) // a damaged slot matters only to who writes
	if err == nil {
		err = markErr
	}
	if err == nil {
		err = a.checkMark(m, held, int64(valid))
	}
	for i, h := range held {
		if h.sealed == nil && err != nil {
			return err // damage behind: nothing that is not proven is shown
		}
		var next *catalog.Begin
		if i+1 < len(held) {
			next = &held[i+1].begin
		}
		if err := a.showFile(ctx, h, next, m); err != nil {
			return err
		}
	}
	return err
}

// showFile shows what is proven of a file that next follows, if any does.
func (a *Archive) showFile(ctx context.Context, h heldFile, next *catalog.Begin, m mark) error {
	gap, cut := a.gapBehind(h.begin.Seq)
	switch {
	case h.sealed != nil:
		_, err := a.fs.Stat(a.filePath(h.sealed.Name))
		return a.showManifest(h, err == nil)
	case cut:
		return a.showComplete(ctx, h, gap.Size, &Cut{Offset: gap.From.Offset, Reason: gap.Reason})
	case next != nil:
		return a.showComplete(ctx, h, next.After.Size, nil)
	case m.fileSeq == h.begin.Seq:
		return a.showUpTo(ctx, h, m.offset)
	}
	return nil
}

// showComplete shows a file that is not sealed and ends at size.
func (a *Archive) showComplete(ctx context.Context, h heldFile, size int64, cut *Cut) error {
	of, err := a.measure(ctx, h, size)
	if err != nil {
		a.showDamaged(of)
		return err
	}
	m := of.describe(h.begin.Epoch, cut)
	info, err := fileOf(&m)
	if err != nil {
		return err
	}
	info.Sealed, info.Local = false, true
	info.Anonymous = info.Anonymous || of.end.begun[replication.AnonymousTransactions] > 0
	a.showRecovered(info, of.added, size)
	return nil
}

// showUpTo shows the open file up to its last boundary at or before end.
func (a *Archive) showUpTo(ctx context.Context, h heldFile, end int64) error {
	of, err := a.measure(ctx, h, end)
	if err != nil {
		a.showDamaged(of)
		return err
	}
	a.publishFile(of)
	return nil
}
