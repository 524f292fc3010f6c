package archive_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// runThrough feeds a history to its end, resuming after each error that is not
// permanent, as the replica does. It returns how often it had to.
func runThrough(l *archive.Log, h *history) (errs int, err error) {
	for errs = 0; errs < 20; errs++ {
		if err = l.Bind(testIdentity); err == nil {
			err = feeder{history: h, flushEvery: 5}.run(l)
		}
		if err == nil {
			_, _, err = l.Resume(anyReach) // waits for the last commit
		}
		if err == nil {
			return errs, nil
		}
		var p interface{ Permanent() bool }
		if errors.As(err, &p) && p.Permanent() {
			return errs, err
		}
	}
	return errs, fmt.Errorf("no end of errors: %w", err)
}

// The nth operation fails once. Nothing is promised meanwhile that a power failure
// right then would lose, and the log goes on by itself to identical files.
func TestEachFailedOperationIsSurvived(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		for _, fault := range []struct {
			name string
			memfs.Fault
		}{
			{"EIO", memfs.Fault{Err: syscall.EIO}},
			{"short write", memfs.Fault{Short: true, Written: 100}},
			{"ENOSPC", memfs.Fault{Err: syscall.ENOSPC, Written: 333}},
		} {
			t.Run(checksum.String()+" "+fault.name, func(t *testing.T) {
				t.Parallel()
				h := smallHistory(11, checksum, 2, 6)
				for n, hit := 1, true; hit; n++ {
					hit = failNth(t, h, n, fault.Fault)
				}
			})
		}
	}
}

// failNth runs the history with the nth operation failing. hit says that there was one.
func failNth(t *testing.T, h *history, n int, fault memfs.Fault) (hit bool) {
	t.Helper()
	fsys := memfs.New()
	opts := memOptions(fsys)
	l := mustOpen(t, opts)
	base := fsys.Ops()
	var kind memfs.Op
	var done atomic.Bool
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.N != base+n || fault.Short && op.Kind != memfs.Write {
			if done.Load() && op.N < base+n+8 {
				if _, err := checkPromise(fsys.CrashClone(uint64(op.N)), opts, h, promiseOf(l), false); err != nil {
					t.Errorf("after failure of %v, power failure before %v: %v", kind, op, err)
				}
				if err := checkDropped(fsys.Clone(), opts, h); err != nil {
					t.Errorf("after failure of %v, killed before %v: %v", kind, op, err)
				}
			}
			return memfs.Fault{}
		}
		kind = op
		done.Store(true)
		if op.Name == memDir+"/MARK" {
			fault.Written = 0 // a sector is written whole or not at all
		}
		return fault
	})
	errs, err := runThrough(l, h)
	if err != nil {
		t.Fatalf("failure of %v: %v", kind, err)
	}
	must(t, l.Close())
	if !l.Executed().Equal(h.executed) {
		t.Errorf("failure of %v: executed %v, expected %v", kind, l.Executed(), h.executed)
	}
	if done.Load() && kind.Kind == memfs.Sync && errs == 0 && l.Stats().SyncFailures == 0 && !sealing(kind) && fault.Err == syscall.EIO {
		t.Errorf("failure of %v was not reported", kind)
	}
	fsys.SetInjector(nil)
	// The next process seals what a failure has kept from it.
	if _, err := checkPromise(fsys.CrashClone(0), opts, h, promiseOf(l), true); err != nil {
		t.Fatalf("after failure of %v: %v", kind, err)
	}
	return done.Load() || fsys.Ops() > base+n
}

// checkDropped restarts after the death of a process whose fsync had failed: what
// the new one finds in the page cache and publishes must then be on the disk.
func checkDropped(fsys *memfs.FS, opts archive.Options, h *history) error {
	opts.FS = fsys
	l, err := archive.Open(context.Background(), opts)
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = checkPromise(fsys.CrashClone(0), opts, h, promiseOf(l), false)
	return err
}

// sealing says that the operation may have been the sealer's, which tries again.
func sealing(op memfs.Op) bool {
	return op.Name == memDir+"/"+timelineName+"/catalog" || len(op.Name) > 4 && op.Name[len(op.Name)-4:] == ".idx"
}

// A second failed fsync in a row stops the writing for good; readers go on.
func TestSecondFailedFsyncIsFinal(t *testing.T) {
	h := smallHistory(12, replication.ChecksumCRC32, 1, 30)
	fsys := memfs.New()
	l := mustOpen(t, memOptions(fsys))
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 5, stopAfter: 30}.runStopped(l))
	if _, _, err := l.Resume(anyReach); err != nil {
		t.Fatal(err)
	}
	before := l.State().Published
	name := memDir + "/" + timelineName + "/" + h.file().name
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.Kind == memfs.Sync && op.Name == name {
			return memfs.Fault{Err: syscall.EIO}
		}
		return memfs.Fault{}
	})
	_, err := runThrough(l, h)
	var disk *archive.DiskError
	if !errors.As(err, &disk) || !disk.Permanent() {
		t.Fatalf("error %v", err)
	}
	if l.State().Published != before || l.State().Stopped == nil {
		t.Fatalf("state %+v, before %v", l.State(), before)
	}
	if got := l.Stats().SyncFailures; got != 2 {
		t.Errorf("%d failed fsyncs", got)
	}
	must(t, compareRead(l, h, before))
	must(t, l.Close())
}

// A full disk stops the receiving until there is room, and loses nothing.
func TestDiskFullIsSurvived(t *testing.T) {
	h := smallHistory(13, replication.ChecksumCRC32, 2, 40)
	total := len(h.files[0].bytes) + len(h.files[1].bytes)
	for free := 2_000; free < total; free += 3_333 {
		fsys := memfs.New()
		opts := memOptions(fsys)
		l := mustOpen(t, opts)
		must(t, l.Bind(testIdentity))
		fsys.SetCapacity(fsys.Used() + int64(free))
		err := feeder{history: h, flushEvery: 5}.run(l)
		if err == nil {
			_, _, err = l.Resume(anyReach)
		}
		for range 3 {
			var disk *archive.DiskError
			if !errors.As(err, &disk) || !disk.Full() || disk.Permanent() {
				t.Fatalf("with %d bytes: %v", free, err)
			}
			if !l.State().Stalled {
				t.Fatal("not shown as stalled")
			}
			if published := l.State().Published; published.File != "" {
				must(t, compareRead(l, h, published))
			}
			_, _, err = l.Resume(anyReach)
		}
		if _, err := checkPromise(fsys.CrashClone(3), memOptions(nil), h, promiseOf(l), false); err != nil {
			t.Fatalf("with %d bytes, crashed: %v", free, err)
		}
		fsys.SetCapacity(0)
		_, err = runThrough(l, h)
		must(t, err)
		if l.State().Stalled {
			t.Fatal("still shown as stalled")
		}
		must(t, l.Close())
		must(t, compareDisk(fsys, l, h))
	}
}

// A gap is recorded for good also when operations fail on the way.
func TestGapIsRecordedDespiteFailures(t *testing.T) {
	h := smallHistory(14, replication.ChecksumCRC32, 3, 8)
	half := len(h.files[0].starts) + len(h.files[1].starts)/2
	for n := 1; ; n++ {
		fsys := memfs.New()
		opts := memOptions(fsys)
		l := mustOpen(t, opts)
		must(t, l.Bind(testIdentity))
		must(t, feeder{history: h, flushEvery: 4, stopAfter: half}.runStopped(l))
		_, _, err := l.Resume(anyReach)
		must(t, err)
		base := fsys.Ops()
		var hit atomic.Bool
		fsys.SetInjector(func(op memfs.Op) memfs.Fault {
			if hit.Load() {
				if _, err := checkPromise(fsys.CrashClone(uint64(op.N)), opts, h, promiseOf(l), false); err != nil {
					t.Errorf("failure of operation %d, power failure before %v: %v", n, op, err)
				}
			}
			if op.N != base+n {
				return memfs.Fault{}
			}
			hit.Store(true)
			return memfs.Fault{Err: syscall.EIO}
		})
		err = errors.New("not yet")
		for tries := 0; err != nil && tries < 5; tries++ {
			if _, _, err = l.Resume(anyReach); err == nil {
				err = l.Gap("purged", h.files[2].name, h.previous(2))
			}
		}
		must(t, err)
		_, err = runThrough(l, h)
		must(t, err)
		must(t, l.Close())
		fsys.SetInjector(nil)
		p := promiseOf(l)
		if p.gaps != 1 || p.executed.ContainsSet(h.executed) {
			t.Fatalf("%d gaps, executed %v", p.gaps, p.executed)
		}
		if _, err := checkPromise(fsys, opts, h, p, true); err != nil {
			t.Fatal(err)
		}
		if !hit.Load() {
			return
		}
	}
}

// An operation that fails while the log is opened keeps it from serving nothing that
// is held, and from going on; and the directory can be opened as before.
func TestFailedOperationsOfRecovery(t *testing.T) {
	h := smallHistory(15, replication.ChecksumCRC32, 2, 10)
	opts := memOptions(nil)
	left, p := runUntil(t, h, opts, 45, 2)
	for n := 1; ; n++ {
		fsys := left.Clone()
		opts.FS = fsys
		hit := false
		fsys.SetInjector(func(op memfs.Op) memfs.Fault {
			if op.N != n {
				return memfs.Fault{}
			}
			hit = true
			return memfs.Fault{Err: syscall.EIO}
		})
		l, err := archive.Open(context.Background(), opts)
		if err != nil {
			t.Fatalf("failure of operation %d: %v", n, err)
		}
		shown := promiseOf(l)
		if shown.published.File != "" {
			must(t, compareRead(l, h, shown.published))
		}
		if n%2 == 0 {
			_, err = runThrough(l, h)
			must(t, err)
			must(t, l.Close())
			must(t, compareDisk(fsys, l, h))
		} else if err := l.Close(); err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		fsys.SetInjector(nil)
		if hit && l.State().Stopped != nil {
			t.Fatalf("failure of operation %d stopped the log: %v", n, l.State().Stopped)
		}
		if _, err := checkPromise(fsys.CrashClone(0), opts, h, shown, true); err != nil {
			t.Fatalf("power failure after failure of operation %d: %v", n, err)
		}
		if _, err := checkPromise(fsys, opts, h, p, true); err != nil {
			t.Fatalf("after failure of operation %d: %v", n, err)
		}
		if !hit {
			return
		}
	}
}

// MARK alone that cannot be fsynced stops the writing too, though commits go well.
func TestMarkThatCannotBeSyncedIsFinal(t *testing.T) {
	h := smallHistory(16, replication.ChecksumCRC32, 1, 40)
	fsys := memfs.New()
	l := mustOpen(t, memOptions(fsys))
	must(t, l.Bind(testIdentity))
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.Kind == memfs.Sync && op.Name == memDir+"/MARK" {
			return memfs.Fault{Err: syscall.EIO}
		}
		return memfs.Fault{}
	})
	_, err := runThrough(l, h)
	var disk *archive.DiskError
	if !errors.As(err, &disk) || !disk.Permanent() || disk.File != memDir+"/MARK" {
		t.Fatalf("error %v", err)
	}
	if published := l.State().Published; published.File != "" {
		must(t, compareRead(l, h, published))
	}
	must(t, l.Close())
}

// A failure is told also to a receiving side that has nothing more to hand over.
func TestFailedTellsOfAnFsyncThatNoCallWaitsFor(t *testing.T) {
	h := smallHistory(3, replication.ChecksumCRC32, 1, 5)
	fsys := memfs.New()
	l := mustOpen(t, memOptions(fsys))
	must(t, l.Bind(testIdentity))
	must(t, l.StartFile(h.files[0].name))
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan error, 1)
	wait := func() { go func() { told <- l.Failed(ctx) }() }
	wait()
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.Kind == memfs.Sync {
			return memfs.Fault{Err: syscall.EIO}
		}
		return memfs.Fault{}
	})
	must(t, feeder{history: h}.sendAll(l, &binlogFile{bytes: h.files[0].bytes[:h.files[0].starts[3]]}, 4))
	l.Flush()
	if err := <-told; !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	fsys.SetInjector(nil)
	_, _, err := l.Resume(anyReach)
	must(t, err)
	wait()
	cancel()
	if err := <-told; err != nil {
		t.Errorf("behind the repair: %v", err)
	}
}
