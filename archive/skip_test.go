package archive_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// A reader goes forward over what a set contains without reading it, close to the
// first transaction that the set lacks and never over it, nor over a file's end.
func TestSkipContained(t *testing.T) {
	const blocks = 4 << 10
	h := newHistory(81, replication.ChecksumCRC32)
	h.begin()
	starts := []int64{} // of the transactions
	for range 400 {
		starts = append(starts, int64(len(h.file().bytes)))
		h.transaction(h.rnd.IntN(2000), 300)
	}
	h.rotate()
	h.transaction(100, 100)
	fsys := memfs.New()
	l := mustOpen(t, archive.Options{Dir: memDir, FS: fsys, IndexEvery: blocks})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	waitPublished(t, l, replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))})
	first := h.files[0]
	for held := 0; held <= len(starts); held += 7 {
		set := &replication.GTIDSet{}
		for n := range held {
			must(t, set.Add(replication.GTID{UUID: h.uuid, Number: int64(n + 1)}))
		}
		end := int64(len(first.bytes)) // of what may be skipped
		if held < len(starts) {
			end = starts[held]
		}
		r, err := l.OpenAt(replication.Position{File: first.name, Offset: starts[0]})
		must(t, err)
		moved := r.SkipContained(set)
		at := r.Position()
		if at.File != first.name || at.Offset > end || at.Offset >= int64(len(first.bytes)) || moved != (at.Offset > starts[0]) {
			t.Errorf("%d held, up to %d: moved %v to %v", held, end, moved, at)
		}
		if end-at.Offset > 5*blocks {
			t.Errorf("%d held, up to %d: only at %v", held, end, at)
		}
		if next, _ := slices.BinarySearch(starts, at.Offset); moved && next > held {
			t.Errorf("%d held: at %v begins a part of the next one", held, at)
		}
		for err == nil {
			_, err = r.Next() // an event begins there
		}
		if !errors.Is(err, archive.ErrTail) {
			t.Errorf("%d held: %v", held, err)
		}
		must(t, r.Close())
	}
}

// An anonymous transaction is in no set: a dump by GTID has to meet it.
func TestAnonymousTransactionsAreNotSkipped(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		h := newHistory(82, replication.ChecksumCRC32)
		h.begin()
		for i := range 60 {
			h.transaction(500, 300)
			if i == 40 {
				h.event(replication.AnonymousGTIDEvent, make([]byte, 42))
				h.query("CREATE TABLE a (i INT)")
			}
		}
		if sealed {
			h.rotate()
			h.transaction(10, 10)
		}
		l, fsys := received(t, h)
		for range 2 {
			r, err := l.OpenAt(replication.Position{File: h.files[0].name, Offset: 4})
			must(t, err)
			if r.SkipContained(h.executed) {
				t.Errorf("sealed %v: moved to %v", sealed, r.Position())
			}
			must(t, errors.Join(r.Close(), l.Close()))
			l = mustOpen(t, memOptions(fsys))
		}
	}
}

// BenchmarkSkipContained finds the last transaction of a file, as a replica does
// that comes again.
func BenchmarkSkipContained(b *testing.B) {
	const size = 1 << 30
	l := mustOpen(b, archive.Options{Dir: b.TempDir()})
	must(b, l.Bind(testIdentity))
	h := newHistory(83, replication.ChecksumCRC32)
	h.begin()
	f := h.file()
	must(b, l.StartFile(f.name))
	sent := int64(4)
	flush := func() {
		must(b, feeder{}.sendAll(l, f, 4))
		sent += int64(len(f.bytes)) - 4
		f.bytes, f.starts = f.bytes[:4], f.starts[:0]
	}
	for sent < size {
		for range 1000 {
			h.transaction(1000, 100)
		}
		flush()
	}
	l.Flush()
	waitPublished(b, l, replication.Position{File: f.name, Offset: sent})
	b.Run("file=1GiB", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := l.OpenAt(replication.Position{})
			must(b, err)
			if !r.SkipContained(h.executed) {
				b.Fatal("not found")
			}
			must(b, r.Close())
		}
	})
}
