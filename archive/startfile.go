package archive

import (
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// StartFile begins the file name; see replica.Sink. When it returns, everything of
// the file before is durable and readable, and the new file, its directory entry
// and its record in the catalog are durable. The file before is sealed meanwhile.
func (l *Log) StartFile(name string) error {
	if err := replication.ValidFileName(name); err != nil {
		return &StreamError{Position: replication.Position{File: name}, Err: err}
	}
	if len(name+indexSuffix) > maxPathName {
		return &StreamError{Position: replication.Position{File: name}, Reason: "the name is too long for a file beside its index", final: true}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readyLocked(); err != nil {
		return err
	}
	if l.catalog == nil {
		return &StreamError{Position: replication.Position{File: name}, Reason: "StartFile before Bind"}
	}
	if l.in.seen > 0 {
		return l.in.fail("a new file begins within it", nil)
	}
	if l.cur != nil && l.cur.head != nil && name != l.in.name {
		return errFetching
	}
	if l.file == fileOpen && name == l.in.name && l.resumedAtStart() {
		return nil // the stream that Resume asked to begin with this file's first event
	}
	if err := l.mayFollowLocked(name); err != nil {
		return err
	}
	l.compare = nil
	if err := l.settleLocked(); err != nil {
		return err
	}
	if err := l.doLocked(func() error { return l.createFile(name) }); err != nil {
		l.failLocked(err)
		return err
	}
	l.nextSeq++
	l.names[name] = true
	l.in = newFollower(name, l.opts.IndexEvery)
	l.active.reset(l.in.at.offset)
	l.file = fileOpen
	l.unproven.Store(false) // what stands in the file before is complete, or can never be compared any more
	return nil
}

// maxPathName is the longest name of a directory entry, in bytes (NAME_MAX).
const maxPathName = 255

func (l *Log) resumedAtStart() bool {
	if l.compare != nil {
		return l.compare.offset == replication.FirstEventOffset && l.compare.seen == 0
	}
	return l.in.at.offset == replication.FirstEventOffset
}

// mayFollowLocked says why name cannot be the file behind what is held.
func (l *Log) mayFollowLocked(name string) error {
	switch {
	case l.compare != nil && !(l.compare.untouched() && name == l.in.at.next): // unless the source has purged what it would be compared with
		return l.historyError(l.compare.offset, nil, fmt.Sprintf("the file has ended there, and %s follows", name))
	case l.file == fileCut && name != l.gaps[len(l.gaps)-1].Next:
		return &StreamError{Position: replication.Position{File: name}, Reason: "not the file that the gap ends with"}
	case l.file == fileOpen && l.in.at.offset == replication.FirstEventOffset:
		return l.in.fail(fmt.Sprintf("%s begins before its first event", name), nil)
	case l.names[name]:
		return &HistoryError{File: name, Offset: replication.FirstEventOffset,
			Reason: fmt.Sprintf("a complete file of that name is held; it cannot follow %s", l.in.name)}
	}
	return nil
}

// createFile is run by the committer, all batches being committed.
func (l *Log) createFile(name string) error {
	of := newOpenFile(l.nextSeq, name, l.opts.IndexEvery)
	if err := l.createPair(of); err != nil {
		of.close()
		return err
	}
	begin := &catalog.Begin{Seq: of.seq, Epoch: l.source.Epoch, Name: name}
	var old *openFile
	if l.cur != nil {
		old = l.cur.finished()
		if err := l.writeIndex(old); err != nil {
			of.close()
			return err
		}
		begin.After = &catalog.FileProof{Size: old.end.offset, CRC32C: catalog.CRC32C(old.sum.file())}
	} else {
		begin.After = l.cutProof
	}
	if err := l.appendCatalog(catalog.Record{Begin: begin}); err != nil {
		of.close()
		return err
	}
	l.begun(begin, l.in.name)
	l.cur = of
	l.counts.files.Add(1)
	l.ages.add(of.end.offset, l.opts.Now())
	if old != nil {
		l.publish(func(v *view) {
			if n := len(v.files); n > 0 && v.files[n-1].Seq == old.seq {
				v.limit = old.end.offset
				v.Published = old.position()
			}
			v.Durable = replication.Position{File: name, Offset: of.end.offset}
		})
		l.complete.Add(old.end.offset)
		l.sealer.add(old.describe(l.source.Epoch, nil))
		old.close()
	}
	return nil
}

// createPair creates the binlog file, with its magic number, and its index. A
// leftover of the same name is replaced: without a record in the catalog no event
// was ever put into it.
func (l *Log) createPair(of *openFile) error {
	name := l.filePath(of.name)
	var err error
	if of.data, err = l.fs.OpenFile(name, Create); err != nil {
		return l.diskError("create", name, err)
	}
	if err := writeAt(of.data, replication.FileMagic[:], 0); err != nil {
		return l.diskError("write", name, err)
	}
	if err := l.sync(of.data, name); err != nil {
		return err
	}
	if of.idx, err = l.fs.OpenFile(l.indexPath(of.name), Create); err != nil {
		return l.diskError("create", l.indexPath(of.name), err)
	}
	of.index = appendIndexHeader(nil, of.every)
	if err := l.writeIndex(of); err != nil {
		return err
	}
	return l.syncDir(l.timelineDir())
}

// appendCatalog adds a record durably, for the committer.
func (l *Log) appendCatalog(r catalog.Record) error {
	return l.countDisk(l.catalog.append(r))
}

// countDisk lets an error of the catalog count as one of the committer's.
func (l *Log) countDisk(err error) error {
	if d, ok := err.(*DiskError); ok {
		return l.diskError(d.Op, d.File, d.Err)
	}
	return err
}
