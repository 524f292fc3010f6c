package archive

import (
	"context"
	"path"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// commitLoop is the committer: it runs jobs, commits batches and records the mark.
func (l *Log) commitLoop() {
	defer close(l.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.job != nil && !l.job.done:
			l.runJobLocked()
		case l.flush && len(l.active.data) > 0 && l.fault == nil && l.stop == nil:
			l.commitLocked()
		case l.markDue && l.fault == nil && l.stop == nil:
			l.markDue = false
			l.mu.Unlock()
			err := l.markNow()
			l.mu.Lock()
			if err != nil {
				l.failLocked(err)
			}
		case l.finishing:
			return
		default:
			l.cond.Wait()
		}
	}
}

// doLocked lets the committer run a function between two batches, and waits for it.
func (l *Log) doLocked(run func() error) error {
	for l.job != nil {
		l.cond.Wait()
	}
	if l.finishing {
		return ErrClosed
	}
	j := &job{run: run}
	l.job = j
	l.cond.Broadcast()
	for !j.done {
		l.cond.Wait()
	}
	l.job = nil
	l.cond.Broadcast()
	return j.err
}

func (l *Log) runJobLocked() {
	j := l.job
	l.mu.Unlock()
	j.err = j.run()
	l.mu.Lock()
	j.done = true
	l.cond.Broadcast()
}

// commitLocked takes the active buffer, so that the other one fills meanwhile.
func (l *Log) commitLocked() {
	b := l.active
	b.end = l.in.at
	l.spare.reset(b.next())
	l.active, l.spare = l.spare, nil
	l.busy, l.flush = true, false
	l.cond.Broadcast()
	l.mu.Unlock()
	err := l.commit(b)
	l.mu.Lock()
	l.busy, l.spare = false, b
	if err != nil {
		l.failLocked(err)
	}
	l.cond.Broadcast()
}

// commit makes a batch durable, then visible.
func (l *Log) commit(b *batch) error {
	of := l.cur
	if sabotaged == publishBeforeFsync {
		if err := l.publishBatch(of, b); err != nil {
			return err
		}
	}
	name := l.filePath(of.name)
	if err := l.room(); err != nil {
		return l.diskError("write", name, err)
	}
	if err := writeAt(of.data, b.data, b.base); err != nil {
		return l.diskError("write", name, err)
	}
	start := time.Now()
	if err := l.sync(of.data, name); err != nil {
		return err
	}
	l.opts.OnSync(time.Since(start))
	before := of.end
	if err := of.absorb(b); err != nil {
		return err
	}
	if err := l.writeIndex(of); err != nil {
		return err
	}
	if l.mustMark(of) {
		if err := l.markNow(); err != nil {
			return err
		}
	}
	l.failedSyncs = 0
	l.ages.add(b.end.offset-before.offset, l.opts.Now())
	if sabotaged != publishBeforeFsync {
		if err := l.publishBatch(of, b); err != nil {
			return err
		}
	}
	l.counts.committed(l.opts.Now(), b, &before)
	return l.markSoon()
}

// mustMark says that the mark is the only proof of the file's end.
func (l *Log) mustMark(of *openFile) bool {
	return of.end.offset > replication.FirstEventOffset && of.end.tracker.Checksum() == replication.ChecksumNone
}

// writeIndex appends the entries that gathered. They are fsynced with the mark
// that relies on them.
func (l *Log) writeIndex(of *openFile) error {
	if of.head != nil { // the index is made when the file's beginning is here
		of.index = of.index[:0]
	}
	if len(of.index) == 0 {
		return nil
	}
	if err := writeAt(of.idx, of.index, of.idxSize); err != nil {
		return l.diskError("write", l.indexPath(of.name), err)
	}
	of.idxSize += int64(len(of.index))
	of.idxDirty = true
	of.index = of.index[:0]
	return nil
}

func (l *Log) syncIndex(of *openFile) error {
	if !of.idxDirty {
		return nil
	}
	if err := l.sync(of.idx, l.indexPath(of.name)); err != nil {
		return err
	}
	of.idxDirty = false
	return nil
}

// markSoon records the mark if that was not done for a while, else sees to it that
// it will be.
func (l *Log) markSoon() error {
	if wait := l.opts.MarkEvery - l.opts.Now().Sub(l.markTime); wait > 0 && wait <= l.opts.MarkEvery {
		if l.markTimer == nil {
			l.markTimer = time.AfterFunc(wait, func() {
				l.mu.Lock()
				l.markDue = true
				l.cond.Broadcast()
				l.mu.Unlock()
			})
		} else {
			l.markTimer.Reset(wait)
		}
		return nil
	}
	return l.markNow()
}

// markNow records in MARK what is durable. It does nothing if that stands there,
// if it was not yet compared with the source, or if the file's beginning is not here.
func (l *Log) markNow() error {
	of := l.cur
	if of == nil || of.head != nil || l.unproven.Load() || of.end.offset == replication.FirstEventOffset {
		return nil
	}
	if last := l.mark.last; last.fileSeq == of.seq && last.offset == of.end.offset {
		return nil
	}
	if err := l.syncIndex(of); err != nil {
		return err
	}
	m := mark{
		sequence: l.mark.last.sequence + 1, timeline: uint32(len(l.source.Timelines)),
		fileSeq: of.seq, file: of.name, offset: of.end.offset, block: of.end.block, blockCRC: of.sum.block,
	}
	name := markPath(l.dir)
	if err := l.writeMark(name, m); err != nil {
		l.closeMark()
		return err
	}
	l.mark.last, l.mark.failures, l.markTime = m, 0, l.opts.Now()
	return nil
}

// writeMark puts a mark into its slot, durably. Commits go on well between two
// failures of MARK alone, so that it counts its own.
func (l *Log) writeMark(name string, m mark) error {
	if err := l.openMark(name); err != nil {
		return err
	}
	if err := writeAt(l.mark.file, m.slot(), m.slotOffset()); err != nil {
		return l.diskError("write", name, err)
	}
	err := l.sync(l.mark.file, name)
	if d, ok := err.(*DiskError); ok && !d.Full() {
		l.mark.failures++
		d.final = d.final || l.mark.failures > 1
	}
	return err
}

// openMark opens MARK for the first time, or again after a failure.
func (l *Log) openMark(name string) error {
	if l.mark.file != nil {
		return nil
	}
	f, err := l.fs.OpenFile(name, ReadWrite)
	if isNotExist(err) {
		f, err = l.fs.OpenFile(name, Create)
	}
	if err != nil {
		return l.diskError("open", name, err)
	}
	if err := l.syncDir(l.dir); err != nil {
		f.Close()
		return err
	}
	l.mark.file = f
	return nil
}

func (l *Log) closeMark() {
	if l.mark.file != nil {
		l.mark.file.Close()
		l.mark.file = nil
	}
}

// dropUnfinished cuts off the part of an event that was written ahead.
func (l *Log) dropUnfinished() error {
	of, name := l.cur, l.filePath(l.cur.name)
	if err := of.data.Truncate(of.end.offset); err != nil {
		return l.diskError("truncate", name, err)
	}
	of.drop()
	return l.sync(of.data, name)
}

func (l *Log) sync(f Handle, name string) error {
	l.counts.syncs.Add(1)
	if err := syncFile(f); err != nil {
		return l.diskError("fsync", path.Clean(name), err)
	}
	return nil
}

func (l *Log) syncDir(dir string) error {
	if err := syncDir(l.fs, dir); err != nil {
		return l.diskError("fsync", dir, err)
	}
	return nil
}

// diskError wraps an error of the disk. The second failed fsync in a row is final,
// unless the disk is only full.
func (l *Log) diskError(op, name string, err error) error {
	e := &DiskError{Op: op, File: name, Err: err}
	if e.failedSync() {
		l.failedSyncs++
		l.counts.syncFailures.Add(1)
		e.final = l.failedSyncs > 1
	}
	return e
}

// failLocked ends the connection: nothing is taken before Resume has repaired.
func (l *Log) failLocked(err error) {
	if l.fault != nil || l.stop != nil {
		return
	}
	if permanent(err) {
		l.stopLocked(err)
		return
	}
	l.fault = err
	l.cond.Broadcast()
	l.wakeFailedLocked()
	if isFull(err) {
		l.publish(func(v *view) { v.Stalled = true })
	}
}

// Failed waits until nothing more is taken before the next Resume; see replica.Sink.
func (l *Log) Failed(ctx context.Context) error {
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil
	case <-failed:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readyLocked()
}

func (l *Log) wakeFailedLocked() {
	select {
	case <-l.failed:
	default:
		close(l.failed)
	}
}
