package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// countingFS counts the reads of files.
type countingFS struct {
	archive.FS
	reads atomic.Int64
}

type countingHandle struct {
	archive.Handle
	fs *countingFS
}

func (f *countingFS) OpenFile(name string, mode archive.OpenMode) (archive.Handle, error) {
	h, err := f.FS.OpenFile(name, mode)
	return countingHandle{h, f}, err
}

func (h countingHandle) ReadAt(p []byte, off int64) (int, error) {
	h.fs.reads.Add(1)
	return h.Handle.ReadAt(p, off)
}

// atTail opens a reader and reads until there is nothing more.
func atTail(t testing.TB, l *archive.Log) *archive.Reader {
	t.Helper()
	r, err := l.OpenAt(replication.Position{})
	must(t, err)
	t.Cleanup(func() { r.Close() })
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, archive.ErrTail) {
		t.Fatal(err)
	}
	return r
}

// Readers of the live tail are given the same memory, and read no file.
func TestReadersShareTheTail(t *testing.T) {
	h := newHistory(61, replication.ChecksumCRC32)
	h.begin()
	h.transaction(100, 100)
	fsys := &countingFS{FS: memfs.New()}
	l := mustOpen(t, archive.Options{Dir: memDir, FS: fsys})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	f := h.file()
	waitPublished(t, l, replication.Position{File: f.name, Offset: int64(len(f.bytes))})
	first, second := atTail(t, l), atTail(t, l)
	before := fsys.reads.Load()
	for range 100 {
		at := len(f.bytes)
		h.transaction(5000, 1000)
		must(t, feeder{}.sendAll(l, f, at))
		l.Flush()
		waitPublished(t, l, replication.Position{File: f.name, Offset: int64(len(f.bytes))})
		a, err := first.Next()
		must(t, err)
		b, err := second.Next()
		must(t, err)
		if &a.Data[0] != &b.Data[0] || !bytes.Equal(a.Data, f.bytes[at:]) {
			t.Fatalf("%d and %d bytes of %d, of their own: %v", len(a.Data), len(b.Data), len(f.bytes)-at, &a.Data[0] != &b.Data[0])
		}
	}
	if n := fsys.reads.Load() - before; n > 0 {
		t.Errorf("%d reads", n)
	}
}

// A client that does not take what it was given keeps none of the shared memory:
// its reader does not, once it is released.
func TestReaderThatStandsStillPinsNoSharedMemory(t *testing.T) {
	h := newHistory(62, replication.ChecksumCRC32)
	h.begin()
	h.transaction(100, 100)
	l := mustOpen(t, archive.Options{Dir: memDir, FS: memfs.New()})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	f := h.file()
	feed := func(size int) {
		at := len(f.bytes)
		h.transaction(size, 10_000)
		must(t, feeder{}.sendAll(l, f, at))
		l.Flush()
		waitPublished(t, l, replication.Position{File: f.name, Offset: int64(len(f.bytes))})
	}
	waitPublished(t, l, replication.Position{File: f.name, Offset: int64(len(f.bytes))})
	still, moving := atTail(t, l), atTail(t, l)
	feed(1000)
	shared := func() weak.Pointer[byte] {
		c, err := still.Next()
		must(t, err)
		defer still.Release()
		return weak.Make(&c.Data[0])
	}()
	for range 40 { // more than is kept
		feed(300_000)
		for err := error(nil); err == nil; {
			_, err = moving.Next()
		}
	}
	for deadline := time.Now().Add(30 * time.Second); shared.Value() != nil; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("what the reader was given last is still in memory")
		}
	}
	c, err := still.Next() // from the file
	must(t, err)
	if !bytes.Equal(c.Data, f.bytes[c.Offset:c.Offset+int64(len(c.Data))]) {
		t.Error("it goes on with other bytes")
	}
}

// tailReader follows a log in its own way and compares what it gets.
type tailReader struct {
	log  *archive.Log
	h    *history
	lazy int64 // bytes that it lets gather at the tail before it reads on
}

func (r tailReader) follow(ctx context.Context, end replication.Position) error {
	var reader *archive.Reader
	for changed := r.log.Changed(); ; changed = r.log.Changed() {
		var err error
		if reader, err = r.log.OpenAt(replication.Position{}); err == nil {
			break
		}
		if err := wait(ctx, changed); err != nil {
			return err
		}
	}
	defer reader.Close()
	for reader.Position() != end {
		changed := r.log.Changed()
		c, err := reader.Next()
		if errors.Is(err, archive.ErrTail) {
			if err := r.gather(ctx, changed, reader.Position(), end); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := r.compare(c); err != nil {
			return err
		}
	}
	return nil
}

// compare proves that a chunk is the history's and is published.
func (r tailReader) compare(c archive.Chunk) error {
	for _, f := range r.h.files {
		if f.name != c.File {
			continue
		}
		end := c.Offset + int64(len(c.Data))
		if end > int64(len(f.bytes)) || !bytes.Equal(c.Data, f.bytes[c.Offset:end]) {
			return fmt.Errorf("%d bytes at %s:%d are not the history's", len(c.Data), c.File, c.Offset)
		}
		if p := r.log.State().Published; r.h.before(p, replication.Position{File: c.File, Offset: end}) {
			return fmt.Errorf("it has read to %s:%d, published is %v", c.File, end, p)
		}
		return nil
	}
	return fmt.Errorf("a chunk of %q", c.File)
}

// gather waits until lazy bytes are there behind from, or the next file, or the end.
func (r tailReader) gather(ctx context.Context, changed <-chan struct{}, from, end replication.Position) error {
	for {
		if err := wait(ctx, changed); err != nil {
			return err
		}
		changed = r.log.Changed()
		if p := r.log.State().Published; p.File != from.File || p.Offset-from.Offset >= r.lazy || p == end {
			return nil
		}
	}
}

func wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// The model is the history: whatever the sizes of batches, parts and events, with
// files ended and disk operations failed, each reader gets its bytes in order, and
// none before they are published.
func TestTailIsTheHistory(t *testing.T) {
	for round := range 6 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			h := newHistory(seed, replication.ChecksumCRC32)
			h.begin()
			for i := range 200 {
				size := random.IntN(3000)
				if random.IntN(40) == 0 {
					size = random.IntN(250_000)
				}
				h.transaction(size, 1+random.IntN(200_000))
				if i%80 == 79 {
					h.rotate()
				}
			}
			fsys := memfs.New()
			if round%3 == 0 {
				n := 20 + random.IntN(100)
				fsys.SetInjector(func(op memfs.Op) memfs.Fault {
					if op.N == n {
						return memfs.Fault{Err: syscall.EIO}
					}
					return memfs.Fault{}
				})
			}
			l := mustOpen(t, archive.Options{Dir: memDir, FS: fsys, BufferSize: 16<<10 + random.IntN(500_000), IndexEvery: 64 << 10})
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("no end in sight"))
			defer cancel()
			end := replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))}
			var readers sync.WaitGroup
			for _, lazy := range []int64{0, 0, 1000, 100_000, 3_000_000} {
				readers.Go(func() {
					if err := (tailReader{log: l, h: h, lazy: lazy}).follow(ctx, end); err != nil {
						t.Errorf("one that waits for %d bytes: %v", lazy, err)
						cancel()
					}
				})
			}
			err := errors.Join(l.Bind(testIdentity), feedThrough(l, feeder{history: h, flushEvery: 1 + random.IntN(30), partSize: 70_000}))
			if err != nil {
				t.Error(err)
				cancel()
			}
			readers.Wait()
		})
	}
}

// feedThrough feeds a history to its end, through faults that pass.
func feedThrough(l *archive.Log, f feeder) error {
	err := io.EOF
	for range 10 {
		if err = f.run(l); err == nil {
			if _, _, err = l.Resume(anyReach); err == nil { // waits for the last commit
				return nil
			}
		}
	}
	return err
}
