package archive

import (
	"context"
	"errors"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// fetching is the goroutine that fetches the beginning of the open file. Open starts it,
// Close joins it.
type fetching struct {
	cancel context.CancelFunc
	over   chan struct{} // closed when it has ended; nil = there was nothing to fetch
	err    error         // why it has ended before all was here; set before that

	done    int64  // how far the head was copied
	suspect string // the object that was missing or damaged last
	syncs   int    // fsyncs that failed in a row
}

// fetchPause is the shortest time between two tries to reach the bucket. Tests have less.
var fetchPause = time.Second

const maxFetchPause = 30 * time.Second

func (l *Log) startFetching() {
	if l.restored.head == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.fetching.cancel, l.fetching.over = cancel, make(chan struct{})
	go func() {
		defer close(l.fetching.over)
		l.fetching.err = l.fetchLoop(ctx)
	}()
}

func (l *Log) stopFetching() {
	if l.fetching.over != nil {
		l.fetching.cancel()
		<-l.fetching.over
	}
}

// Restored waits until all bytes of the open file are on this disk, or why they will not
// be. It returns at once for a log that was not just made from a bucket.
func (l *Log) Restored(ctx context.Context) error {
	if l.fetching.over == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.fetching.over:
		return l.fetching.err
	}
}

// fetchLoop goes on until the head is here, however long the bucket cannot be reached.
// An object that is missing or damaged is looked for again, once; then the writing stops.
func (l *Log) fetchLoop(ctx context.Context) error {
	pause := fetchPause
	for {
		done := l.fetching.done
		err := l.fetchHead(ctx)
		if err == nil {
			l.logger.Info("the open file is here as a whole", "file", l.restored.file.begin.Name)
			return nil
		}
		if ctx.Err() != nil || l.refused() != nil {
			return ErrClosed
		}
		if err := l.weighLost(ctx, err); err != nil {
			l.stopWith(err)
			return err
		}
		if l.fetching.done > done {
			pause = fetchPause
		}
		l.logger.Warn("the open file could not be fetched from the bucket, it is tried again", "file", l.restored.file.begin.Name, "offset", l.fetching.done, "err", err)
		select {
		case <-ctx.Done():
			return ErrClosed
		case <-time.After(pause):
		}
		pause = min(2*pause, maxFetchPause)
	}
}

// weighLost returns the error that ends the fetching, if err does.
func (l *Log) weighLost(ctx context.Context, err error) error {
	var damage *DamageError
	var disk *DiskError
	switch {
	case errors.As(err, &disk) && disk.Permanent():
		return err
	case !lostObject(err) && !errors.As(err, &damage):
		return nil
	}
	f, at := l.restored.file, l.fetching.done
	found := damagedObject(err, f.objectAt(at), at)
	if errors.As(found, &damage); damage.File == l.fetching.suspect {
		return found
	}
	p, err := l.readPlan(ctx)
	if err != nil && !permanent(err) {
		return nil // another look, when the bucket can be reached
	}
	l.fetching.suspect = damage.File
	var again *fetchedFile
	if err == nil && p != nil && p.timeline.Dir() == l.restored.plan.timeline.Dir() {
		again = p.file(l.opts.Bucket, f.begin.Seq)
	}
	if again == nil || again.begin.Name != f.begin.Name || again.end < l.restored.head.start {
		return found
	}
	l.restored.plan, l.restored.file = p, again
	objects := again.objects()
	l.restored.head.objects.Store(&objects)
	return nil
}

// fetchHead goes on where it was left.
func (l *Log) fetchHead(ctx context.Context) error {
	h := l.restored.head
	if h.proven.Load() == nil {
		of, err := l.copyHead(ctx, l.restored.plan.timeline, l.restored.file, h.start)
		if err != nil {
			return err
		}
		h.proven.Store(of)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		return l.stop
	}
	l.failLocked(errFetched)
	for l.job != nil {
		l.cond.Wait()
	}
	if l.cur.head == nil { // Resume was quicker
		return nil
	}
	return l.repairDiskLocked()
}

// copyHead brings the head to the disk, durably, and reads it there.
func (l *Log) copyHead(ctx context.Context, t catalog.Timeline, f *fetchedFile, end int64) (*openFile, error) {
	name := l.filePath(f.begin.Name)
	h, err := l.fs.OpenFile(name, ReadWrite)
	if err != nil {
		return nil, &DiskError{Op: "open", File: name, Err: err}
	}
	defer h.Close()
	if l.fetching.done, err = l.copyFile(ctx, t, f, l.fetching.done, end, h); err != nil {
		return nil, err
	}
	l.counts.syncs.Add(1)
	if err := syncFile(h); err != nil {
		l.fetching.syncs++
		l.fetching.done = 0 // of what was written nothing is believed
		return nil, &DiskError{Op: "fsync", File: name, Err: err, final: !isFull(&DiskError{Err: err}) && l.fetching.syncs > 1}
	}
	l.fetching.syncs = 0
	of := newOpenFile(f.begin.Seq, f.begin.Name, l.opts.IndexEvery)
	s := l.newScanner(of, h)
	err = s.run(ctx.Err, end)
	if err == nil && of.end.tracker.Open() {
		err = &StreamError{Position: of.position(), Reason: "a transaction is open where the piece said that none is"}
	}
	if err != nil {
		l.fetching.done = 0
		return nil, l.fetchedDamage(f, s.damage(name, err))
	}
	return of, nil
}

// noteFetched records that nothing is missing any more. The committer calls it, with the
// whole file as the open one.
func (l *Log) noteFetched() error {
	if err := l.markNow(); err != nil {
		return err
	}
	marker := *l.restored.marker
	marker.Fetched = true
	if err := l.writeRestoring(&marker); err != nil {
		return err
	}
	l.restored.marker = &marker
	return nil
}

// FromBucket says that the directory was made from the bucket, and that the bucket may
// have more by now: nothing is to be received before Upload has told OnLease that it has
// not. Where Upload says *BehindError meanwhile, the next Open makes the directory anew.
func (l *Log) FromBucket() bool { return l.restored.pending.Load() }

// forgetRestore removes RESTORING, when the bucket was found to have nothing more than
// the log: from now on the two go on together.
func (l *Log) forgetRestore() error {
	m := l.restored.marker
	if m == nil || !m.Fetched || m.Damaged {
		return nil
	}
	name := restoringPath(l.dir)
	if err := l.fs.Remove(name); err != nil && !isNotExist(err) {
		return &DiskError{Op: "remove", File: name, Err: err}
	}
	if err := syncDir(l.fs, l.dir); err != nil {
		return &DiskError{Op: "fsync", File: l.dir, Err: err}
	}
	l.restored.pending.Store(false)
	return nil
}
