package archive

import (
	"fmt"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Resume begins a connection; see replica.Sink. It forgets what the last one left
// unfinished, repairs what a failed disk operation left, and says where the source
// is to begin. When it returns, everything held is durable. What a recovery has kept
// and the source does not send again is then believed by its checksums.
//
// While the disk is full it returns that error, until a probe succeeds.
func (l *Log) Resume(reach replication.Reach) (from replication.Position, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.compare = nil
	if l.fault == nil {
		err = l.settleLocked()
	} else {
		err = l.repairLocked()
	}
	if l.closed {
		err = ErrClosed
	}
	if err != nil || l.stop != nil {
		return from, false, firstError(err, l.stop)
	}
	l.sealer.kick()
	switch l.file {
	case noFile:
		return from, false, nil
	case fileCut:
		return replication.Position{File: l.gaps[len(l.gaps)-1].Next, Offset: replication.FirstEventOffset}, true, nil
	}
	offset, err := l.resumeOffset(reach)
	if err != nil {
		return from, false, err
	}
	if end := l.in.at.offset; offset < end {
		l.compare = &comparison{offset: offset, start: offset, end: end, buf: make([]byte, compareBuffer)}
	} else {
		l.provenLocked()
	}
	return replication.Position{File: l.in.name, Offset: offset}, true, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// repairLocked goes back to the last commit after a fault.
func (l *Log) repairLocked() error {
	l.in.abort()
	for l.job != nil {
		l.cond.Wait()
	}
	fetched := l.fault == errFetched && l.cur.head == nil // which was repaired then
	if !fetched {
		if err := l.repairDiskLocked(); err != nil {
			return err
		}
	}
	l.fault, l.failed = nil, make(chan struct{})
	l.flush = false
	if l.cur != nil {
		l.in.at = l.cur.end
		l.active.reset(l.in.at.offset)
	}
	if fetched {
		return nil
	}
	l.counts.repairs.Add(1)
	l.logger.Warn("went back to the last commit after a failed disk operation", "position", l.in.name, "offset", l.in.at.offset)
	l.publish(func(v *view) { v.Stalled = false })
	return nil
}

// repairDiskLocked does so on the disk. If it fails, there is a fault again.
func (l *Log) repairDiskLocked() error {
	for l.busy {
		l.cond.Wait()
	}
	full := isFull(l.fault)
	err := l.doLocked(func() error { return l.repair(full) })
	if err == nil || l.closed {
		return err
	}
	l.fault = nil
	l.failLocked(err)
	return err
}

// repair opens the file anew, cuts it back to what was fsynced, and reads that
// again: of what else was written nothing is believed. What recovery could not do is
// done here.
func (l *Log) repair(full bool) error {
	if err := l.makeDir(); err != nil {
		return err
	}
	if l.catalog == nil {
		return nil // Bind does the rest
	}
	for _, dir := range []string{l.dir, l.timelineDir()} {
		if err := l.syncDir(dir); err != nil {
			return err
		}
	}
	if err := l.countDisk(l.catalog.repair()); err != nil {
		return err
	}
	if err := l.rewriteMark(l.mark.last); err != nil {
		return err
	}
	if l.sourceBroken {
		if err := l.writeSource(l.source); err != nil {
			return err
		}
	}
	if l.cur == nil {
		return nil
	}
	l.cur.close()
	end, name := l.cur.end.offset, l.filePath(l.cur.name)
	of := l.accountAnew()
	if err := l.reopen(of, end, full); err != nil {
		of.close()
		return err
	}
	s := l.newScanner(of, of.data)
	if err := s.run(l.refused, end); err != nil {
		of.close()
		return s.damage(name, err)
	}
	if of.head == nil {
		if err := l.rewriteIndex(of, replication.FirstEventOffset); err != nil {
			of.close()
			return err
		}
	}
	l.cur = of
	if m := l.restored.marker; of.head == nil && m != nil && !m.Fetched {
		if err := l.noteFetched(); err != nil {
			return err
		}
	}
	if l.mustMark(of) {
		if err := l.markNow(); err != nil {
			return err
		}
	}
	l.publishFile(of) // what failed may have come between the fsync of a batch and its publication
	return nil
}

// accountAnew begins the account of the open file where all bytes that follow are on the
// disk.
func (l *Log) accountAnew() *openFile {
	h := l.cur.head
	if h == nil {
		return newOpenFile(l.cur.seq, l.cur.name, l.cur.every)
	}
	if of := h.whole(); of != nil {
		return of
	}
	return h.begin()
}

func (l *Log) reopen(of *openFile, end int64, full bool) error {
	name := l.filePath(of.name)
	var err error
	if of.data, err = l.fs.OpenFile(name, ReadWrite); err != nil {
		return l.diskError("open", name, err)
	}
	if of.idx, err = l.heldIndex(of.name); err != nil {
		return err
	}
	size, err := of.data.Size()
	if err != nil {
		return l.diskError("stat", name, err)
	}
	if size < end {
		return &DamageError{File: name, Offset: size, Expected: fmt.Sprintf("%d bytes that were fsynced", end), Found: fmt.Sprintf("%d bytes", size)}
	}
	if err := of.data.Truncate(end); err != nil {
		return l.diskError("truncate", name, err)
	}
	if l.unproven.Load() { // recovery may have found the disk full before it had done so
		if err := rewrite(of.data, min(l.floor, end), end); err != nil {
			return l.diskError("write", name, err)
		}
	}
	if err := l.sync(of.data, name); err != nil {
		return err
	}
	if !full {
		return nil
	}
	return l.probe(of.data, name, end)
}

const probeSize = 1 << 20

// probe tries whether a full disk has room again.
func (l *Log) probe(f Handle, name string, end int64) error {
	if err := l.room(); err != nil {
		return l.diskError("write", name, err)
	}
	err := writeAt(f, make([]byte, probeSize), end)
	if err == nil {
		err = syncFile(f)
	}
	if undo := f.Truncate(end); undo != nil && err == nil {
		return l.diskError("truncate", name, undo)
	}
	if err != nil {
		return l.diskError("write", name, err)
	}
	return l.sync(f, name)
}
