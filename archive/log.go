package archive

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// Log is the log of one source. The methods of replica.Sink (Resume, End,
// StartFile, Append, Flush, Gap) are called by one goroutine at a time; everything
// else may be called at any time.
type Log struct {
	Archive // what readers see
	lock    io.Closer

	// What the receiving side and the committer hand each other.
	mu        sync.Mutex
	cond      *sync.Cond // of mu; one for all, each change is broadcast
	in        follower   // reads along with what is appended
	file      fileState  // whether in follows a file
	active    *batch     // being filled
	spare     *batch     // empty; nil while the committer works on it
	busy      bool       // the committer works on a batch
	flush     bool       // active is to be committed as soon as may be
	markDue   bool
	job       *job
	fault     error         // why the connection must end; Resume repairs it
	failed    chan struct{} // closed when fault or stop is set; a repair makes a new one
	stop      error         // why nothing is written any more
	compare   *comparison
	closed    bool // no calls are taken any more
	closing   bool // Close was called
	finishing bool // the committer is to end
	done      chan struct{}

	// The committer's, or recovery's before there is one.
	cur          *openFile // nil while no file is open
	tail         tail
	mark         markFile
	markTimer    *time.Timer
	markTime     time.Time
	failedSyncs  int  // in a row
	sourceBroken bool // a replacement of source.json failed: either may be there

	// Set by recovery, cleared by the receiving side: bytes behind floor were found
	// behind the recorded mark, and are not marked before they have been compared.
	unproven atomic.Bool
	floor    int64

	catalog  *journal           // nil while nothing is bound
	nextSeq  uint64             // of the next file; the receiving side's
	names    map[string]bool    // of all files that the catalog knows
	cutProof *catalog.FileProof // of the cut file that StartFile is to follow
	sealer   sealer

	restored restored
	fetching fetching
	toStore  toStore
	evicting sync.Mutex
	complete atomic.Int64 // bytes of local files but the open one

	counts  counters
	uploads uploadCounts
	ages    commitTimes // for uploads
}

// fileState says what the receiving side may do next.
type fileState uint8

const (
	noFile   fileState = iota // nothing held: StartFile
	fileOpen                  // events, or StartFile of the next
	fileCut                   // StartFile of the file behind the gap
)

// job is what the committer runs between batches for the receiving side.
type job struct {
	run  func() error
	err  error
	done bool
}

// Open locks the directory, making it if need be, and recovers what is in it. It
// may be killed at any time and run again.
//
// Errors are a *LockedError, a *FormatError, or what the disk said. Damage to the
// binlogs is not among them: the log then serves what stands before it, and the
// receiving side's calls return the *DamageError that State().Stopped shows.
// Damage to source.json is returned as *DamageError: without it nothing is known.
func Open(ctx context.Context, opts Options) (*Log, error) {
	opts = opts.withDefaults()
	l := &Log{
		active: newBatch(opts.BufferSize), spare: newBatch(opts.BufferSize), done: make(chan struct{}), failed: make(chan struct{}),
		names: map[string]bool{},
	}
	l.cond = sync.NewCond(&l.mu)
	l.Archive.init(opts)
	l.stopped = l.stopWith
	l.ages.opened(opts.Now())
	l.sealer.init()
	if err := l.makeDir(); err != nil {
		_, missing := l.fs.ReadDir(l.dir)
		if missing == nil {
			err = l.postpone(err)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := l.lockDir(); err != nil {
		return nil, err
	}
	err := l.restore(ctx)
	if err == nil {
		err = l.recover(ctx)
	}
	if err != nil {
		l.release()
		return nil, err
	}
	if l.restored.damage != nil {
		l.stopWith(l.restored.damage)
	}
	l.evict()
	go l.commitLoop()
	go l.sealLoop()
	l.startFetching()
	return l, nil
}

func newBatch(size int) *batch { return &batch{data: make([]byte, 0, size)} }

// Stop lets the receiving side end, though a disk operation may hang: its calls
// return ErrClosed from now on, also those that wait for room or for a commit.
// Nothing else changes; Close is still to be called.
func (l *Log) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.cond.Broadcast()
}

// Close commits what was appended up to the last whole event, records the mark and
// releases the directory. Complete files that cannot be sealed within half a second are
// left to the next Open. It may be called more than once. Its error is that of the
// commit, unless the disk is only full: what was not committed was not acknowledged
// and will be fetched again.
//
// It waits for the disk operation that is under way, however long that takes.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		<-l.done
		return nil
	}
	l.closed, l.closing = true, true
	l.cond.Broadcast()
	l.mu.Unlock()
	l.stopFetching()
	l.mu.Lock()
	err := l.settleLocked()
	if err == nil {
		err = l.doLocked(l.markNow)
	}
	if err == errFetched {
		err = nil
	}
	if l.stop != nil {
		err = nil // the receiving side was told
	}
	if isFull(err) {
		l.logger.Warn("closed while the disk is full: what was not committed will be fetched again", "err", err)
		err = nil
	}
	l.finishing = true
	l.cond.Broadcast()
	l.mu.Unlock()
	l.sealer.close()
	<-l.done
	l.release()
	return err
}

// release gives back what the log holds open.
func (l *Log) release() {
	if l.markTimer != nil {
		l.markTimer.Stop()
	}
	if l.cur != nil {
		l.cur.close()
	}
	if l.catalog != nil {
		l.catalog.close()
	}
	l.closeMark()
	l.lock.Close()
}

// Refuse ends the writing for good, as if the source had stopped by itself: err is why.
// What is held goes on being served.
func (l *Log) Refuse(err error) { l.stopWith(err) }

// stopWith ends the writing for good: err is what the receiving side gets from now on.
func (l *Log) stopWith(err error) {
	l.mu.Lock()
	l.stopLocked(err)
	l.mu.Unlock()
}

func (l *Log) stopLocked(err error) {
	if l.stop != nil {
		l.publish(func(v *view) { v.noteDamage(err) })
		return
	}
	l.stop = err
	l.cond.Broadcast()
	l.wakeFailedLocked()
	l.logger.Error("nothing more will be written", "dir", l.dir, "err", err)
	l.publish(func(v *view) {
		v.Stopped = err
		v.noteDamage(err)
	})
}
