package archive_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// benchHistory is one file of about 64 MiB with events of one size.
func benchHistory(eventSize int) *history {
	h := newHistory(1, replication.ChecksumCRC32)
	h.begin()
	f := h.file()
	f.bytes = append(make([]byte, 0, 68<<20), f.bytes...)
	for len(f.bytes) < 64<<20 {
		h.transaction(10*eventSize, eventSize)
	}
	return h
}

// benchDirs are a disk and a file system in memory (tmpfs).
func benchDirs(b *testing.B) map[string]string {
	dirs := map[string]string{"disk": b.TempDir()}
	if dir, err := os.MkdirTemp("/dev/shm", "archive-bench-"); err == nil {
		b.Cleanup(func() { os.RemoveAll(dir) })
		dirs["tmpfs"] = dir
	}
	return dirs
}

func BenchmarkAppendCommit(b *testing.B) {
	for _, size := range []int{100, 8000} {
		h := benchHistory(size)
		for where, dir := range benchDirs(b) {
			b.Run(fmt.Sprintf("event=%dB/fs=%s", size, where), func(b *testing.B) {
				b.SetBytes(int64(len(h.file().bytes)))
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					b.StopTimer()
					sub := fmt.Sprintf("%s/%d-%d", dir, size, n)
					n++
					l := mustOpen(b, archive.Options{Dir: sub})
					must(b, l.Bind(testIdentity))
					b.StartTimer()
					must(b, feeder{history: h}.run(l))
					waitPublished(b, l, replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))})
					b.StopTimer()
					must(b, l.Close())
					os.RemoveAll(sub)
					b.StartTimer()
				}
			})
		}
	}
}

// BenchmarkCommitLatency is one small transaction, appended, flushed and published.
func BenchmarkCommitLatency(b *testing.B) {
	for where, dir := range benchDirs(b) {
		b.Run("fs="+where, func(b *testing.B) {
			l := mustOpen(b, archive.Options{Dir: dir})
			must(b, l.Bind(testIdentity))
			h := newHistory(1, replication.ChecksumCRC32)
			h.begin()
			must(b, feeder{history: h}.run(l))
			f := h.file()
			for b.Loop() {
				at := len(f.bytes)
				h.transaction(100, 100)
				must(b, feeder{}.sendAll(l, f, at))
				l.Flush()
				end := replication.Position{File: f.name, Offset: int64(len(f.bytes))}
				for changed := l.Changed(); l.State().Published != end; changed = l.Changed() {
					<-changed
				}
			}
			must(b, l.Close())
			os.RemoveAll(dir)
		})
	}
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{100, 8000} {
		h := benchHistory(size)
		for where, dir := range benchDirs(b) {
			b.Run(fmt.Sprintf("event=%dB/fs=%s", size, where), func(b *testing.B) {
				l := mustOpen(b, archive.Options{Dir: fmt.Sprint(dir, "/read", size)})
				must(b, l.Bind(testIdentity))
				must(b, feeder{history: h}.run(l))
				waitPublished(b, l, replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))})
				b.SetBytes(int64(len(h.file().bytes)))
				b.ReportAllocs()
				for b.Loop() {
					r, err := l.OpenAt(replication.Position{})
					must(b, err)
					for err == nil {
						_, err = r.Next()
					}
					if !errors.Is(err, archive.ErrTail) {
						b.Fatal(err)
					}
					r.Close()
				}
				must(b, l.Close())
			})
		}
	}
}

// Appending an event allocates nothing.
func TestAppendAllocatesNothing(t *testing.T) {
	h := newHistory(1, replication.ChecksumCRC32)
	h.begin()
	for range 2000 {
		h.transaction(100, 100)
	}
	l := mustOpen(t, archive.Options{Dir: t.TempDir(), IndexEvery: 1 << 30})
	must(t, l.Bind(testIdentity))
	f := h.file()
	must(t, l.StartFile(f.name))
	must(t, feeder{}.sendAll(l, &binlogFile{bytes: f.bytes[:f.starts[1000]]}, 4))
	next := 1000
	if allocs := testing.AllocsPerRun(200, func() {
		for range 5 {
			must(t, l.Append(f.bytes[f.starts[next]:f.starts[next+1]], true))
			next++
		}
	}); allocs > 0 {
		t.Errorf("%v allocations for five events", allocs)
	}
}
