package archive_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// The receiving side must be able to end while an fsync hangs.
func TestStopAnswersCallsThatWaitForAHangingDisk(t *testing.T) {
	for name, call := range map[string]func(*archive.Log, *history) error{
		"append": func(l *archive.Log, h *history) error { return feeder{history: h}.sendAll(l, h.files[0], 4) },
		"commit": func(l *archive.Log, h *history) error {
			must(t, feeder{history: h}.sendAll(l, &binlogFile{bytes: h.files[0].bytes[:h.files[0].starts[3]]}, 4))
			l.Flush()
			_, _, err := l.Resume(anyReach)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := smallHistory(3, replication.ChecksumCRC32, 1, 400)
			fsys := memfs.New()
			l := mustOpen(t, memOptions(fsys))
			must(t, l.Bind(testIdentity))
			must(t, l.StartFile(h.files[0].name))
			hanging, hang := make(chan struct{}, 100), make(chan struct{})
			fsys.SetInjector(func(op memfs.Op) memfs.Fault {
				if op.Kind == memfs.Sync {
					hanging <- struct{}{}
					<-hang
				}
				return memfs.Fault{}
			})
			answered := make(chan error, 1)
			go func() { answered <- call(l, h) }()
			<-hanging
			l.Stop()
			select {
			case err := <-answered:
				if !errors.Is(err, archive.ErrClosed) {
					t.Error(err)
				}
			case <-time.After(5 * time.Second):
				t.Error("still waiting for the disk")
			}
			close(hang)
			must(t, l.Close())
			if _, err := checkPromise(fsys.CrashClone(0), memOptions(nil), h, promiseOf(l), true); err != nil {
				t.Error(err)
			}
		})
	}
}

// readHookFS calls hook before each read of a file.
type readHookFS struct {
	*memfs.FS
	hook func(name string, offset int64, size int) error
}

type readHookHandle struct {
	archive.Handle
	name string
	fs   readHookFS
}

func (f readHookFS) OpenFile(name string, mode archive.OpenMode) (archive.Handle, error) {
	h, err := f.FS.OpenFile(name, mode)
	if err != nil {
		return nil, err
	}
	return readHookHandle{h, name, f}, nil
}

func (h readHookHandle) ReadAt(p []byte, off int64) (int, error) {
	if err := h.fs.hook(h.name, off, len(p)); err != nil {
		return 0, err
	}
	return h.Handle.ReadAt(p, off)
}

// Neither a long queue of complete files nor a large one of them keeps Close from
// returning; the next start seals what is left.
func TestCloseLeavesTheSealingToTheNextStart(t *testing.T) {
	defer archive.SetSealTime(200 * time.Millisecond)()
	large := newHistory(5, replication.ChecksumCRC32)
	large.begin()
	for range 3 {
		large.transaction(1<<20, 1<<20)
	}
	large.rotate()
	large.transaction(10, 10)
	for name, h := range map[string]*history{"many": smallHistory(4, replication.ChecksumCRC32, 13, 2), "large": large} {
		t.Run(name, func(t *testing.T) {
			fsys := memfs.New()
			opts := memOptions(fsys)
			var slow atomic.Bool
			slow.Store(true)
			opts.FS = readHookFS{fsys, func(_ string, _ int64, size int) error {
				if slow.Load() && size == 1<<20 { // the sealer's
					time.Sleep(200 * time.Millisecond)
				}
				return nil
			}}
			l := mustOpen(t, opts)
			must(t, l.Bind(testIdentity))
			must(t, feeder{history: h}.run(l))
			_, _, err := l.Resume(anyReach)
			must(t, err)
			must(t, l.Close())
			if name == "large" && l.Files()[0].Sealed {
				t.Error("the large file is sealed, the test shows nothing")
			}
			slow.Store(false)
			if _, err := checkPromise(fsys, opts, h, promiseOf(l), true); err != nil {
				t.Error(err)
			}
		})
	}
}

// A recovery reads whole files: it must end within one, too.
func TestRecoveryEndsWithItsContext(t *testing.T) {
	h := newHistory(5, replication.ChecksumCRC32)
	h.begin()
	for range 5 {
		h.transaction(1<<20, 1<<20)
	}
	fsys := memfs.New()
	opts := memOptions(fsys)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	before := fsys.Ops()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var end int64
	opts.FS = readHookFS{fsys, func(name string, offset int64, _ int) error {
		if strings.HasSuffix(name, h.file().name) && offset > 1<<20 {
			cancel()
			end = max(end, offset)
		}
		return nil
	}}
	if l, err := archive.Open(ctx, opts); !errors.Is(err, context.Canceled) {
		l.Close()
		t.Fatal(err)
	}
	if end > 4<<20 {
		t.Errorf("read on to %d", end)
	}
	if fsys.Ops() > before+8 {
		t.Errorf("%d operations", fsys.Ops()-before)
	}
	opts.FS = fsys
	checkRead(t, mustOpen(t, opts), h)
}

// What was made survives a power failure, each level of it.
func TestMadeDirectoriesAreDurable(t *testing.T) {
	fsys := memfs.New()
	must(t, archive.MakeDir(fsys, "/a/b/c/"))
	must(t, archive.MakeDir(fsys, "/a/b/c"))
	if _, err := fsys.CrashClone(0).ReadDir("/a/b/c"); err != nil {
		t.Error(err)
	}
	must(t, fsys.Mkdir("/a/b/by a process that died before it synced"))
	must(t, archive.MakeDir(fsys, "/a/b/by a process that died before it synced"))
	if names, err := fsys.CrashClone(0).ReadDir("/a/b"); err != nil || len(names) != 2 {
		t.Error(names, err)
	}
}
