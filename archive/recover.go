package archive

import (
	"context"
	"errors"
	"path"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

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

// recoverSource reads source.json. found is false while nothing is bound.
func (l *Log) recoverSource() (found bool, err error) {
	b, doc, err := l.readSource()
	if err != nil || b == nil {
		return false, err
	}
	if err := l.postpone(l.syncDir(l.dir)); err != nil {
		return false, err
	}
	l.showSource(doc)
	return true, nil
}

// recoverFiles goes through the catalog's files in order.
func (l *Log) recoverFiles(ctx context.Context) error {
	held, err := l.recoverCatalog()
	m, damaged, markErr := l.recoverMark()
	if err == nil {
		err = markErr
	}
	if err == nil {
		err = l.checkMark(m, held, l.catalog.size)
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
			var cut *Gap
			if gap, ok := l.gapBehind(h.begin.Seq); ok {
				cut = &gap
			}
			if err := l.recoverComplete(ctx, h, held[i+1].begin.After, cut); err != nil {
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
	if m, damaged, err = l.decodeMark(b); damaged {
		l.logger.Warn("a slot of MARK is damaged, the other one is used", "file", name)
	}
	l.mark.last = m
	return m, damaged, err
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
