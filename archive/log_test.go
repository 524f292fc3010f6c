package archive_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustOpen(t testing.TB, opts archive.Options) *archive.Log {
	t.Helper()
	l, err := archive.Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// waitPublished waits until pos may be read.
func waitPublished(t testing.TB, l *archive.Log, pos replication.Position) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		changed := l.Changed()
		if l.State().Published == pos {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("published %v, expected %v", l.State().Published, pos)
		}
	}
}

type opener interface {
	OpenAt(replication.Position) (*archive.Reader, error)
}

// readAll reads what is published, and gives it file by file.
func readAll(t testing.TB, l opener, from replication.Position) map[string][]byte {
	t.Helper()
	r, err := l.OpenAt(from)
	must(t, err)
	defer r.Close()
	got := map[string][]byte{}
	for {
		c, err := r.Next()
		if errors.Is(err, archive.ErrTail) {
			return got
		}
		must(t, err)
		if _, ok := got[c.File]; !ok {
			got[c.File] = make([]byte, c.Offset)
			copy(got[c.File], replication.FileMagic[:])
		}
		if int64(len(got[c.File])) != c.Offset {
			t.Fatalf("%s continues at %d, expected %d", c.File, c.Offset, len(got[c.File]))
		}
		got[c.File] = append(got[c.File], c.Data...)
	}
}

func TestFilesAreByteIdentical(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		t.Run(checksum.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data", "source")
			h := smallHistory(1, checksum, 4, 200)
			h.transaction(700_000, 700_000) // larger than all buffers
			h.transaction(100, 100)
			opts := archive.Options{Dir: dir, BufferSize: 32 << 10, IndexEvery: 16 << 10, CompareBack: 10_000, Logger: testLogger(t)}
			l := mustOpen(t, opts)
			must(t, l.Bind(testIdentity))
			must(t, feeder{history: h, flushEvery: 7, partSize: 100_000}.run(l))
			last := h.file()
			waitPublished(t, l, replication.Position{File: last.name, Offset: int64(len(last.bytes))})
			if !l.Executed().Equal(h.executed) {
				t.Fatalf("executed %s, expected %s", l.Executed(), h.executed)
			}
			checkRead(t, l, h)
			must(t, l.Close())
			checkFiles(t, filepath.Join(dir, l.State().Timeline), h)

			l = mustOpen(t, opts)
			checkRead(t, l, h)
			must(t, feeder{history: h, flushEvery: 7}.run(l))
			h.rotate()
			h.transaction(10, 10)
			must(t, feeder{history: h, flushEvery: 7}.run(l))
			must(t, l.Close())
			checkFiles(t, filepath.Join(dir, l.State().Timeline), h)
			for _, f := range l.Files()[:4] {
				if !f.Sealed {
					t.Errorf("%s is not sealed", f.Name)
				}
			}
		})
	}
}

func checkRead(t testing.TB, l opener, h *history) {
	t.Helper()
	got := readAll(t, l, replication.Position{})
	for _, f := range h.files {
		if !bytes.Equal(got[f.name], f.bytes) {
			t.Errorf("%s as read differs: %d bytes, expected %d", f.name, len(got[f.name]), len(f.bytes))
		}
	}
}

func checkFiles(t testing.TB, dir string, h *history) {
	t.Helper()
	for _, f := range h.files {
		b, err := os.ReadFile(filepath.Join(dir, f.name))
		must(t, err)
		if !bytes.Equal(b, f.bytes) {
			t.Errorf("%s differs: %d bytes, expected %d", f.name, len(b), len(f.bytes))
		}
	}
}

// Close may come at any moment of an Append.
func TestCloseDuringAppend(t *testing.T) {
	h := smallHistory(2, replication.ChecksumCRC32, 2, 300)
	for n := range 20 {
		fsys := memfs.New()
		l := mustOpen(t, memOptions(fsys))
		must(t, l.Bind(testIdentity))
		reached := make(chan struct{})
		fed := make(chan error, 1)
		go func() {
			events := 0
			fed <- feeder{history: h, flushEvery: 7, onEvent: func(replication.Position) {
				if events++; events == 50*n+1 {
					close(reached)
				}
			}}.run(l)
		}()
		<-reached
		must(t, l.Close())
		if err := <-fed; err != nil && !errors.Is(err, archive.ErrClosed) {
			t.Fatal(err)
		}
		if _, _, err := l.Resume(anyReach); !errors.Is(err, archive.ErrClosed) {
			t.Fatalf("Resume after Close: %v", err)
		}
		if _, err := checkPromise(fsys.CrashClone(0), memOptions(nil), h, promiseOf(l), true); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesAreThePrivateOnesOfOneUser(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "source")
	h := smallHistory(3, replication.ChecksumCRC32, 2, 5)
	l := mustOpen(t, archive.Options{Dir: dir})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	n := 0
	must(t, filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		want := os.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		n++
		return nil
	}))
	if n != 10 { // two directories, LOCK, source.json, MARK, catalog, two files and two indexes
		t.Errorf("%d files", n)
	}
}
