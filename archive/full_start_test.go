package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// Whatever recovery wants to write, a full disk keeps it from none of what is held:
// that is served, the log is stalled, and goes on when there is room.
func TestStartOnAFullDiskServesWhatIsHeld(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		h := smallHistory(3, checksum, 3, 40)
		opts := memOptions(nil)
		opts.MarkEvery = time.Hour // much is left to recovery
		for n := 30; n < 130; n += 23 {
			left, p := runUntil(t, h, opts, n, 1)
			for _, refuse := range []memfs.Kind{memfs.Write, memfs.Sync, memfs.Truncate, memfs.Remove} {
				t.Run(fmt.Sprintf("%s %s %d", checksum, refuse, n), func(t *testing.T) {
					startFull(t, h, opts, left.Clone(), p, refuse)
				})
			}
		}
	}
}

func startFull(t *testing.T, h *history, opts archive.Options, fsys *memfs.FS, p promise, refuse memfs.Kind) {
	var refused atomic.Bool
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.Kind == refuse {
			refused.Store(true)
			return memfs.Fault{Err: syscall.ENOSPC}
		}
		return memfs.Fault{}
	})
	opts.FS = fsys
	l := mustOpen(t, opts)
	if !refused.Load() {
		return // nothing to do for it
	}
	if state := l.State(); !state.Stalled || state.Stopped != nil {
		t.Fatalf("%+v", state)
	}
	shown := promiseOf(l)
	if shown.published.File != "" {
		must(t, compareRead(l, h, shown.published))
	}
	if _, _, err := l.Resume(anyReach); !errors.Is(err, syscall.ENOSPC) && refuse == memfs.Write {
		t.Fatalf("Resume on the full disk: %v", err)
	}
	if _, err := checkPromise(fsys.CrashClone(0), memOptions(nil), h, shown, true); err != nil {
		t.Errorf("power failure on the full disk: %v", err)
	}
	fsys.SetInjector(nil)
	if _, err := runThrough(l, h); err != nil {
		t.Fatal(err)
	}
	if l.State().Stalled {
		t.Error("still shown as stalled")
	}
	if h.before(promiseOf(l).published, p.published) {
		t.Errorf("published %v, once %v", promiseOf(l).published, p.published)
	}
	must(t, l.Close())
	must(t, compareDisk(fsys, l, h))
	if _, err := checkPromise(fsys.CrashClone(0), memOptions(nil), h, promiseOf(l), true); err != nil {
		t.Errorf("power failure at the end: %v", err)
	}
}

// The same with a disk that really has no byte left, where the index lacks entries.
func TestStartOnADiskWithoutAByteLeft(t *testing.T) {
	h := smallHistory(3, replication.ChecksumCRC32, 1, 400)
	fsys := memfs.New()
	opts := memOptions(fsys)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, l.StartFile(h.files[0].name))
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if strings.HasSuffix(op.Name, ".idx") && op.Kind == memfs.Write && op.Offset > 20 {
			return memfs.Fault{Err: syscall.ENOSPC}
		}
		return memfs.Fault{}
	})
	if err := (feeder{history: h}).sendAll(l, h.files[0], 4); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	clone := fsys.Clone()
	clone.SetCapacity(clone.Used())
	opts.FS = clone
	again := mustOpen(t, opts)
	published := again.State().Published
	if !again.State().Stalled || published.File == "" {
		t.Fatalf("%+v", again.State())
	}
	must(t, compareRead(again, h, published))
	clone.SetCapacity(0)
	if _, err := runThrough(again, h); err != nil {
		t.Fatal(err)
	}
	must(t, again.Close())
	must(t, compareDisk(clone, again, h))
}

// A missing index is made anew, where the disk is full as soon as there is room: that
// of the open file by Resume, that of a complete one by the sealer.
func TestAMissingIndexIsMadeAnewAlsoWhereTheDiskIsFull(t *testing.T) {
	h := smallHistory(3, replication.ChecksumCRC32, 3, 40)
	opts := memOptions(nil)
	left, _ := runUntil(t, h, opts, 130, 1)
	for _, full := range []bool{false, true} {
		fsys := left.Clone()
		for _, f := range h.files {
			fsys.Forget(memDir + "/" + timelineName + "/" + f.name + ".idx")
		}
		fsys.SetInjector(func(op memfs.Op) memfs.Fault {
			if full && (op.Kind == memfs.Create || op.Kind == memfs.SyncDir) {
				return memfs.Fault{Err: syscall.ENOSPC}
			}
			return memfs.Fault{}
		})
		opts.FS = fsys
		l := mustOpen(t, opts)
		if state := l.State(); state.Stalled != full || state.Stopped != nil || state.Published.File == "" {
			t.Fatalf("full %t: %+v", full, state)
		}
		must(t, compareRead(l, h, l.State().Published))
		fsys.SetInjector(nil)
		if _, err := runThrough(l, h); err != nil {
			t.Fatalf("full %t: %v", full, err)
		}
		must(t, l.Close())
		must(t, compareDisk(fsys, l, h))
	}
}

// Bytes below or above the mark that cannot be read stop this one log; what stands
// before them is served, nothing is cut.
func TestBytesThatCannotBeReadAreDamage(t *testing.T) {
	h := smallHistory(8, replication.ChecksumCRC32, 2, 600)
	fsys, opts := markedLog(t, h)
	opts.ReadBuffer = 2 * replication.EventPrefix
	last, size := h.file(), int64(len(h.file().bytes))
	for _, bad := range []int64{size / 3, size - 100} {
		opts.FS = readHookFS{fsys, func(name string, offset int64, n int) error {
			if strings.HasSuffix(name, "/"+last.name) && offset <= bad && bad < offset+int64(n) {
				return syscall.EIO
			}
			return nil
		}}
		l := mustOpen(t, opts)
		var damage *archive.DamageError
		if !errors.As(l.State().Stopped, &damage) || damage.Offset > bad || !strings.Contains(damage.Error(), "input/output error") {
			t.Fatalf("stopped with %v", l.State().Stopped)
		}
		published := l.State().Published
		if published.File != last.name || published.Offset <= bad-int64(opts.ReadBuffer)-8<<10 || published.Offset > bad {
			t.Errorf("unreadable at %d, published to %v", bad, published)
		}
		must(t, l.Close())
		if b, err := fsys.ReadFile(memDir + "/" + timelineName + "/" + last.name); err != nil || !bytes.Equal(b, last.bytes) {
			t.Errorf("the file was changed: %v", err)
		}
	}
	opts.FS = fsys
	if stopped := mustOpen(t, opts).State().Stopped; stopped != nil {
		t.Error(stopped)
	}
}

// sealOne feeds two files; the injector fails fsyncs of the first one's name with
// suffix from when it is complete on, as often as times says.
func sealOne(t *testing.T, suffix string, times int32) (*memfs.FS, *archive.Log) {
	t.Helper()
	h := smallHistory(3, replication.ChecksumCRC32, 2, 30)
	fsys := memfs.New()
	opts := memOptions(fsys)
	opts.MarkEvery = time.Hour
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	var failed atomic.Int32
	fail := func(op memfs.Op) memfs.Fault {
		if op.Kind == memfs.Sync && strings.HasSuffix(op.Name, suffix) && failed.Load() < times {
			failed.Add(1)
			return memfs.Fault{Err: syscall.EIO}
		}
		return memfs.Fault{}
	}
	must(t, l.StartFile(h.files[0].name))
	must(t, feeder{history: h, flushEvery: 1}.sendAll(l, h.files[0], 4))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	armed := false
	if suffix != "catalog" { // the committer may still mark the first file: not when the second one is created
		fsys.SetInjector(func(op memfs.Op) memfs.Fault {
			if op.Kind == memfs.Create {
				fsys.SetInjector(fail)
			}
			return memfs.Fault{}
		})
	}
	if suffix == "catalog" { // the begin record of the second file goes well
		fsys.SetInjector(func(op memfs.Op) memfs.Fault {
			if strings.HasSuffix(op.Name, suffix) && op.Kind == memfs.Sync && !armed {
				armed = true
				fsys.SetInjector(fail)
				return memfs.Fault{}
			}
			return memfs.Fault{}
		})
	}
	l2 := feeder{history: &history{files: h.files, executed: h.executed}}
	must(t, l2.run(l))
	waitFor(t, "the failure", func() bool { return failed.Load() >= 1 })
	for range times {
		seen := failed.Load()
		waitFor(t, "the sealer", func() bool {
			_, _, _ = l.Resume(anyReach) // wakes it
			return l.State().Stopped != nil || l.Files()[0].Sealed || failed.Load() > seen
		})
	}
	return fsys, l
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-timeout:
			t.Fatalf("%s did not come", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// The kernel may drop what a failed fsync was to write: an fsync that then succeeds
// proves nothing of it.
func TestIndexOfASealedFileIsDurableDespiteAFailedFsync(t *testing.T) {
	for _, suffix := range []string{"1.idx", "catalog"} {
		fsys, l := sealOne(t, suffix, 1)
		if !l.Files()[0].Sealed || l.Stats().SyncFailures != 1 {
			t.Errorf("%s: sealed %v, %d failed fsyncs", suffix, l.Files()[0].Sealed, l.Stats().SyncFailures)
		}
		name := memDir + "/" + timelineName + "/" + l.Files()[0].Name + ".idx"
		want, err := fsys.ReadFile(name)
		must(t, err)
		if got, err := fsys.CrashClone(0).ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of %d survive a power failure, %v", suffix, len(got), len(want), err)
		}
		must(t, l.Close())
	}
}

func TestSecondFailedFsyncOfTheSealerIsFinal(t *testing.T) {
	for _, suffix := range []string{"1.idx", "catalog"} {
		_, l := sealOne(t, suffix, 2)
		var disk *archive.DiskError
		if !errors.As(l.State().Stopped, &disk) || !disk.Permanent() || l.Stats().SyncFailures != 2 {
			t.Errorf("%s: stopped with %v, %d failed fsyncs", suffix, l.State().Stopped, l.Stats().SyncFailures)
		}
		must(t, l.Close())
	}
}
