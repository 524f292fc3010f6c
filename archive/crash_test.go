package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

const memDir = "/data/source"

func memOptions(fsys *memfs.FS) archive.Options {
	return archive.Options{
		Dir: memDir, FS: fsys, BufferSize: 4 << 10, IndexEvery: 2 << 10, CompareBack: 1 << 10, MarkEvery: time.Nanosecond,
	}
}

// promise is what a log has told the world: it must hold after any crash.
type promise struct {
	published replication.Position
	executed  *replication.GTIDSet
	gaps      int
}

func promiseOf(l *archive.Log) promise {
	if l == nil {
		return promise{executed: &replication.GTIDSet{}}
	}
	p := promise{executed: l.Executed(), gaps: len(l.Gaps())}
	p.published = l.State().Published
	return p
}

func (h *history) before(a, b replication.Position) bool {
	if a.File != b.File {
		return a.File < b.File
	}
	return a.Offset < b.Offset
}

// checkPromise opens a log on what a crash left, proves that what was promised is
// there, lets the stream continue if h is whole, and compares all files.
func checkPromise(fsys *memfs.FS, opts archive.Options, h *history, p promise, finish bool) (after promise, err error) {
	opts.FS = fsys
	l, err := archive.Open(context.Background(), opts)
	if err != nil {
		return after, fmt.Errorf("open: %w", err)
	}
	defer l.Close()
	after = promiseOf(l)
	if stopped := l.State().Stopped; stopped != nil {
		return after, fmt.Errorf("stopped: %w", stopped)
	}
	if h.before(after.published, p.published) {
		return after, fmt.Errorf("published %v, now %v", p.published, after.published)
	}
	if !after.executed.ContainsSet(p.executed) {
		return after, fmt.Errorf("executed %v, now %v", p.executed, after.executed)
	}
	if after.gaps < p.gaps {
		return after, fmt.Errorf("%d gaps, now %d", p.gaps, after.gaps)
	}
	if after.published.File != "" {
		if err := compareRead(l, h, after.published); err != nil {
			return after, err
		}
	}
	if !finish {
		return after, nil
	}
	if err := finishHistory(l, h); err != nil {
		return after, fmt.Errorf("continue: %w", err)
	}
	return after, compareDisk(fsys, l, h)
}

func finishHistory(l *archive.Log, h *history) error {
	if err := l.Bind(testIdentity); err != nil {
		return err
	}
	if err := (feeder{history: h, flushEvery: 40}).run(l); err != nil {
		return err
	}
	return l.Close()
}

// compareRead reads everything up to end and compares it with the history.
func compareRead(l *archive.Log, h *history, end replication.Position) error {
	r, err := l.OpenAt(replication.Position{})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		c, err := r.Next()
		if errors.Is(err, archive.ErrTail) {
			break
		}
		var gap *archive.GapError
		if errors.As(err, &gap) {
			r.Close()
			if r, err = l.OpenAt(replication.Position{File: gap.Gap.Next, Offset: 4}); errors.Is(err, archive.ErrNoSuchFile) {
				return nil
			} else if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		for _, f := range h.files {
			if f.name == c.File && !bytes.HasPrefix(f.bytes[min(c.Offset, int64(len(f.bytes))):], c.Data) {
				return fmt.Errorf("%s differs within %d+%d", c.File, c.Offset, len(c.Data))
			}
		}
	}
	if r.Position() == end {
		return nil
	}
	if now := l.State().Published; now != end {
		return errMoved
	}
	return fmt.Errorf("read to %v, published is %v", r.Position(), end)
}

var errMoved = errors.New("more was published meanwhile")

func compareDisk(fsys *memfs.FS, l *archive.Log, h *history) error {
	cut := map[string]bool{}
	for _, g := range l.Gaps() {
		cut[g.From.File] = true
	}
	for i, f := range h.files {
		b, err := fsys.ReadFile(memDir + "/" + l.State().Timeline + "/" + f.name)
		if err != nil {
			if h.lost[f.name] {
				continue
			}
			return err
		}
		if !bytes.Equal(b, f.bytes) && !(cut[f.name] && bytes.HasPrefix(f.bytes, b)) {
			return fmt.Errorf("%s on disk has %d bytes, expected %d", f.name, len(b), len(f.bytes))
		}
		if i < len(h.files)-1 {
			for _, file := range l.Files() {
				if file.Name == f.name && !file.Sealed {
					return fmt.Errorf("%s is not sealed", f.name)
				}
			}
		}
	}
	if want := h.executed; len(l.Gaps()) == 0 && !l.Executed().Equal(want) {
		return fmt.Errorf("executed %v, expected %v", l.Executed(), want)
	}
	return nil
}

// crashSweep checks what each operation of a run would leave if the power failed
// before it.
type crashSweep struct {
	t       *testing.T
	opts    archive.Options
	history *history
	seeds   []uint64
	fsys    *memfs.FS
	live    atomic.Pointer[archive.Log]
	once    sync.Once
	failed  atomic.Bool
	clones  atomic.Int64
}

func (s *crashSweep) inject(op memfs.Op) memfs.Fault {
	if s.failed.Load() {
		return memfs.Fault{}
	}
	p := promiseOf(s.live.Load())
	for _, seed := range s.seeds {
		s.clones.Add(1)
		seed := seed
		if seed > 1 {
			seed = seed*1_000_003 + uint64(op.N)
		}
		clone := s.fsys.CrashClone(seed)
		if _, err := checkPromise(clone, s.opts, s.history, p, true); err != nil {
			s.fail("crash with seed %d before %v: %v", seed, op, err)
		}
	}
	if err := checkDropped(s.fsys.Clone(), s.opts, s.history); err != nil {
		s.fail("killed before %v, power failure after the restart: %v", op, err)
	}
	return memfs.Fault{}
}

func (s *crashSweep) fail(format string, args ...any) {
	s.once.Do(func() {
		s.failed.Store(true)
		s.t.Errorf(format, args...)
	})
}

// scenario is something done to a log from its opening to its end.
type scenario struct {
	name     string
	checksum replication.Checksum
	markSlow bool
	files    int
	run      func(s *crashSweep, open func() *archive.Log) error
}

func scenarios() []scenario {
	feed := func(s *crashSweep, open func() *archive.Log) error {
		l := open()
		if err := l.Bind(testIdentity); err != nil {
			return err
		}
		if err := (feeder{history: s.history, flushEvery: 5, partSize: 70_000}).run(l); err != nil {
			return err
		}
		return l.Close()
	}
	interrupted := func(s *crashSweep, open func() *archive.Log) error {
		for n := 20; ; n += 17 {
			l := open()
			if err := l.Bind(testIdentity); err != nil {
				return err
			}
			err := feeder{history: s.history, flushEvery: 3, stopAfter: n}.run(l)
			if err == nil {
				return l.Close()
			}
			if err != errStopped {
				return err
			}
			err = feeder{history: s.history, flushEvery: 3, stopAfter: n}.run(l) // the connection was cut
			if err != errStopped && err != nil {
				return err
			}
			if err := l.Close(); err != nil {
				return err
			}
		}
	}
	// Each flushed run of events is waited for, so that no two go into one commit.
	stepwise := func(s *crashSweep, open func() *archive.Log) error {
		l := open()
		if err := l.Bind(testIdentity); err != nil {
			return err
		}
		n := 0
		err := feeder{history: s.history, onEvent: func(pos replication.Position) {
			if n++; n%9 != 0 {
				return
			}
			l.Flush()
			for changed := l.Changed(); l.State().Durable != pos && l.State().Stopped == nil; changed = l.Changed() {
				<-changed
			}
		}}.run(l)
		if err != nil {
			return err
		}
		return l.Close()
	}
	return []scenario{
		{name: "stream and rotations", checksum: replication.ChecksumCRC32, files: 3, run: feed},
		{name: "stepwise", checksum: replication.ChecksumCRC32, files: 2, run: stepwise},
		{name: "stepwise without checksums", checksum: replication.ChecksumNone, files: 1, run: stepwise},
		{name: "mark lags", checksum: replication.ChecksumCRC32, markSlow: true, files: 2, run: feed},
		{name: "without checksums", checksum: replication.ChecksumNone, files: 2, run: feed},
		{name: "reconnects and restarts", checksum: replication.ChecksumCRC32, files: 2, run: interrupted},
		{name: "gap", checksum: replication.ChecksumCRC32, files: 3, run: feedWithGap},
	}
}

// feedWithGap loses the second of the history's files at the source, half received.
func feedWithGap(s *crashSweep, open func() *archive.Log) error {
	l := open()
	if err := l.Bind(testIdentity); err != nil {
		return err
	}
	half := len(s.history.files[0].starts) + len(s.history.files[1].starts)/2
	if err := (feeder{history: s.history, flushEvery: 4, stopAfter: half}).run(l); err != errStopped {
		return err
	}
	if _, _, err := l.Resume(anyReach); err != nil {
		return err
	}
	if err := l.Gap("purged", s.history.files[2].name, s.history.previous(2)); err != nil {
		return err
	}
	if err := (feeder{history: s.history, flushEvery: 4}).run(l); err != nil {
		return err
	}
	return l.Close()
}

func TestNothingPublishedIsLostByPowerFailure(t *testing.T) {
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			runSweep(t, sc, []uint64{0, 1, 2})
		})
	}
}

func runSweep(t *testing.T, sc scenario, seeds []uint64) {
	fsys := memfs.New()
	s := &crashSweep{t: t, opts: memOptions(fsys), seeds: seeds, fsys: fsys}
	s.history = smallHistory(42, sc.checksum, sc.files, 12)
	if sc.markSlow {
		s.opts.MarkEvery = time.Hour
	}
	fsys.SetInjector(s.inject)
	err := sc.run(s, func() *archive.Log {
		s.live.Store(nil)
		opts := s.opts
		l := mustOpen(t, opts)
		s.live.Store(l)
		return l
	})
	must(t, err)
	fsys.SetInjector(nil)
	t.Logf("%d operations, %d crashes", fsys.Ops(), s.clones.Load())
}
