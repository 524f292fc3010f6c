package archive

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// heldFile is what the catalog says of a file.
type heldFile struct {
	begin  catalog.Begin
	sealed *catalog.Manifest
	stored *catalog.Stored
}

// recover reads the directory and brings the log to where the last process left
// it. What it changes on the disk are: the torn tail of the catalog, leftovers of
// an unfinished StartFile, and the torn tail and index of files not yet sealed.
// Each of these may be interrupted and done again.
func (l *Log) recover(ctx context.Context) error {
	found, err := l.recoverSource()
	if err != nil || !found {
		return err
	}
	t := l.source.Timelines[len(l.source.Timelines)-1]
	l.publish(func(v *view) { v.Timeline = t.Dir() })
	err = l.recoverFiles(ctx)
	if err == nil || !permanent(err) {
		return err
	}
	var newer *FormatError
	if errors.As(err, &newer) {
		return err
	}
	l.logger.Error("damage: what stands before it is served, nothing is written", "err", err)
	l.stop, l.fault = err, nil
	l.sealer.queue = nil
	l.publish(func(v *view) { v.Stopped, v.damage, v.Stalled = err, err, false })
	return nil
}

// postpone makes of a failed change of the disk the log's fault: what is proven is
// served all the same, and Resume repairs the rest, when there is room or once more.
func (l *Log) postpone(err error) error {
	var disk *DiskError
	if !errors.As(err, &disk) || disk.Permanent() {
		return err
	}
	if l.fault == nil {
		l.fault = err
	}
	if !disk.Full() {
		l.logger.Error("recovery could not change the disk: what is held is served, receiving begins with another try", "err", err)
		return nil
	}
	l.logger.Error("the disk is full: what is held is served, nothing is received until there is room", "err", err)
	l.publish(func(v *view) { v.Stalled = true })
	return nil
}

func (l *Log) makeDir() error {
	if err := MakeDir(l.fs, l.dir); err != nil {
		return l.diskError("create directory", l.dir, err)
	}
	return nil
}

// unreadable is the error for a file that cannot be opened or read. What the disk
// refuses to give is damage: this source is to stop there, and not all to end.
func unreadable(op, name string, err error) error {
	if errors.Is(err, syscall.EIO) {
		return &DamageError{File: name, Expected: "a file that can be read", Found: err.Error()}
	}
	return &DiskError{Op: op, File: name, Err: err}
}

// recoverSource reads source.json. found is false while nothing is bound.
func (l *Log) recoverSource() (found bool, err error) {
	name := sourcePath(l.dir)
	b, err := readFile(l.fs, name)
	if isNotExist(err) {
		return false, l.checkUnbound()
	}
	if err != nil {
		return false, unreadable("read", name, err)
	}
	doc, err := catalog.DecodeSource(b)
	if newer := (*FormatError)(nil); errors.As(err, &newer) {
		newer.File = name
		return false, newer
	}
	if err != nil {
		return false, &DamageError{File: name, Offset: 0, Expected: "the document that was written", Found: err.Error()}
	}
	if err := l.postpone(l.syncDir(l.dir)); err != nil {
		return false, err
	}
	l.source = doc
	for _, gap := range doc.Gaps {
		l.showGap(gap)
	}
	return true, nil
}

// checkUnbound refuses a directory whose source.json is gone but not its history.
func (l *Log) checkUnbound() error {
	names, err := l.fs.ReadDir(l.dir)
	if err != nil {
		return &DiskError{Op: "read", File: l.dir, Err: err}
	}
	for _, name := range names {
		catalog := catalogPath(path.Join(l.dir, name))
		if size, err := l.fs.Stat(catalog); err == nil && size > 0 {
			return &DamageError{File: sourcePath(l.dir), Expected: "the source that " + catalog + " belongs to", Found: "no such file"}
		}
	}
	return nil
}

// recoverFiles goes through the catalog's files in order.
func (l *Log) recoverFiles(ctx context.Context) error {
	held, err := l.recoverCatalog()
	m, damaged, markErr := l.recoverMark()
	if err == nil {
		err = markErr
	}
	if err == nil {
		err = l.checkMark(m, held)
	}
	if err == nil {
		err = l.removeLeftovers(held)
	}
	l.nextSeq = uint64(len(held)) + 1
	for i, h := range held {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i > 0 && h.stored == nil {
			l.begun(&h.begin, held[i-1].begin.Name)
		}
		switch {
		case h.sealed != nil:
			if err := l.recoverSealed(h); err != nil {
				return err
			}
		case err != nil: // damage behind: nothing that is not proven is touched or shown
			return err
		case i < len(held)-1:
			err := l.recoverComplete(ctx, h, held[i+1].begin.After, nil)
			if err != nil {
				return err
			}
		default:
			return l.recoverLast(ctx, h, m, damaged)
		}
	}
	if err == nil && len(held) > 0 { // the last one is sealed: a cut file
		last := held[len(held)-1].sealed
		l.file, l.cutProof = fileCut, &catalog.FileProof{Size: last.Size, CRC32C: last.CRC32C}
		l.in = newFollower(last.Name, l.opts.IndexEvery)
		l.in.at.offset = last.Size
	}
	return err
}

func (l *Log) recoverMark() (m mark, damaged bool, err error) {
	name := markPath(l.dir)
	b, err := readFile(l.fs, name)
	if isNotExist(err) {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, unreadable("read", name, err)
	}
	m, damaged, err = decodeMarkFile(b)
	if newer := (*FormatError)(nil); errors.As(err, &newer) {
		newer.File = name
		return mark{}, false, newer
	}
	if damaged {
		l.logger.Warn("a slot of MARK is damaged, the other one is used", "file", name)
	}
	l.mark.last = m
	return m, damaged, nil
}

// checkMark compares MARK with the catalog.
func (l *Log) checkMark(m mark, held []heldFile) error {
	if m.sequence == 0 {
		return nil
	}
	if m.fileSeq > uint64(len(held)) {
		return &DamageError{File: l.catalog.path, Offset: l.catalog.size,
			Expected: fmt.Sprintf("a record of file %d, %s, which MARK names", m.fileSeq, m.file), Found: "the end"}
	}
	if m.fileSeq < 1 || held[m.fileSeq-1].begin.Name != m.file || int(m.timeline) != len(l.source.Timelines) {
		return &DamageError{File: markPath(l.dir), Expected: "a file of the catalog", Found: fmt.Sprintf("file %d, %s, of timeline %d", m.fileSeq, m.file, m.timeline)}
	}
	return nil
}

// removeLeftovers deletes what an unfinished StartFile left: files that the catalog
// does not know and that hold no event.
func (l *Log) removeLeftovers(held []heldFile) error {
	dir := l.timelineDir()
	names, err := l.fs.ReadDir(dir)
	if err != nil {
		return &DiskError{Op: "read", File: dir, Err: err}
	}
	for _, h := range held {
		l.names[h.begin.Name] = true
	}
	for _, name := range names {
		most := replication.FirstEventOffset
		binlog, isIndex := strings.CutSuffix(name, indexSuffix)
		if isIndex {
			most = indexHeaderSize
		}
		if l.names[binlog] || replication.ValidFileName(binlog) != nil {
			continue
		}
		p := path.Join(dir, name)
		size, err := l.fs.Stat(p)
		if err != nil {
			return &DiskError{Op: "stat", File: p, Err: err}
		}
		if size > most {
			return &DamageError{File: l.catalog.path, Offset: l.catalog.size, Expected: "a record of " + name + ", which has events", Found: "the end"}
		}
		l.logger.Warn("removed a file that was never begun", "file", p, "bytes", size)
		if err := l.fs.Remove(p); err != nil {
			if err := l.postpone(&DiskError{Op: "remove", File: p, Err: err}); err != nil {
				return err
			}
		}
	}
	return nil
}
