package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

func TestReadersStartAtEachPosition(t *testing.T) {
	h := smallHistory(31, replication.ChecksumCRC32, 2, 20)
	l, _ := received(t, h)
	for _, f := range h.files {
		for _, start := range f.starts {
			got := readAll(t, l, replication.Position{File: f.name, Offset: int64(start)})[f.name]
			if !bytes.Equal(got[start:], f.bytes[start:]) {
				t.Fatalf("from %s:%d", f.name, start)
			}
		}
	}
	r, err := l.OpenAt(replication.Position{File: h.files[0].name, Offset: int64(h.files[0].starts[5]) + 1})
	must(t, err)
	defer r.Close()
	var position *archive.PositionError
	for err == nil {
		_, err = r.Next()
	}
	if !errors.As(err, &position) || position.Position.File != h.files[0].name {
		t.Fatalf("from within an event: %v", err)
	}
	for pos, want := range map[replication.Position]error{
		{File: "binlog.000001", Offset: 3}:       archive.ErrPositionTooSmall,
		{File: "binlog.000001", Offset: 1 << 40}: archive.ErrPositionTooLarge,
		{File: "binlog.000003", Offset: 4}:       archive.ErrNoSuchFile,
	} {
		if _, err := l.OpenAt(pos); !errors.Is(err, want) {
			t.Errorf("%v: %v", pos, err)
		}
	}
}

func TestFileForGTIDs(t *testing.T) {
	h := smallHistory(32, replication.ChecksumCRC32, 4, 10)
	l, fsys := received(t, h)
	check := func(l *archive.Log) {
		t.Helper()
		for i, f := range h.files {
			set := h.previous(i).Clone()
			got, err := l.FileForGTIDs(set)
			must(t, err)
			if got.Name != f.name || got.Seq != uint64(i+1) || !got.GTIDsBefore.Equal(set) || got.ServerVersion != "8.4.0-test" {
				t.Errorf("for %v: %+v", set, got)
			}
		}
		if got, err := l.FileForGTIDs(h.executed); err != nil || got.Name != h.file().name {
			t.Errorf("for everything: %v, %v", got.Name, err)
		}
	}
	check(l)
	if !l.Purged().IsEmpty() {
		t.Errorf("purged %v", l.Purged())
	}
	must(t, l.Close())
	check(mustOpen(t, memOptions(fsys)))
}

// A source that was restored from a dump has transactions that are in none of its
// files (gtid_purged was set between two): they are executed, and purged.
func TestTransactionsWithoutBinlogArePurged(t *testing.T) {
	h := smallHistory(33, replication.ChecksumCRC32, 1, 5)
	injected, err := replication.ParseGTIDSet("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77")
	must(t, err)
	h.executed.AddSet(injected)
	h.rotate()
	h.transaction(10, 10)
	l, fsys := received(t, h)
	for range 2 {
		if !l.Executed().Equal(h.executed) || !l.Purged().Equal(injected) {
			t.Fatalf("executed %v, purged %v", l.Executed(), l.Purged())
		}
		must(t, l.Close())
		l = mustOpen(t, memOptions(fsys))
	}
}

// Events larger than the buffer come in parts, of which the first is long enough
// to tell what the event is.
func TestLargeEventsComeInParts(t *testing.T) {
	h := newHistory(34, replication.ChecksumCRC32)
	h.begin()
	h.transaction(100, 100)
	h.transaction(1_000_000, 1_000_000)
	h.transaction(100, 100)
	l, _ := received(t, h)
	r, err := l.OpenAt(replication.Position{})
	must(t, err)
	defer r.Close()
	got := append([]byte(nil), replication.FileMagic[:]...)
	var parts []archive.Part
	for {
		c, err := r.Next()
		if errors.Is(err, archive.ErrTail) {
			break
		}
		must(t, err)
		if c.Part == archive.FirstPart && len(c.Data) < replication.EventPrefix {
			t.Fatalf("a first part of %d bytes", len(c.Data))
		}
		got = append(got, c.Data...)
		if len(parts) == 0 || parts[len(parts)-1] != c.Part {
			parts = append(parts, c.Part)
		}
	}
	if fmt.Sprint(parts) != fmt.Sprint([]archive.Part{archive.WholeEvents, archive.FirstPart, archive.MiddlePart, archive.LastPart, archive.WholeEvents}) {
		t.Errorf("parts %v", parts)
	}
	if !bytes.Equal(got, h.file().bytes) {
		t.Error("the bytes differ")
	}
}

// A reader follows the live tail, transaction by transaction, and never sees a part
// of one.
func TestReaderFollowsTheTail(t *testing.T) {
	h := smallHistory(35, replication.ChecksumCRC32, 3, 60)
	fsys := memfs.New()
	l := mustOpen(t, memOptions(fsys))
	must(t, l.Bind(testIdentity))
	boundaries := map[string]bool{}
	for _, f := range h.files {
		for _, start := range append(f.starts[1:], len(f.bytes)) {
			_, b := lastEnds(f, int64(start))
			boundaries[fmt.Sprint(f.name, b)] = true
		}
		boundaries[fmt.Sprint(f.name, len(f.bytes))] = true // ROTATE
	}
	fed := make(chan error, 1)
	go func() { fed <- feeder{history: h, flushEvery: 1}.run(l) }()
	end := replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))}
	for changed := l.Changed(); l.State().Published.File == ""; changed = l.Changed() {
		<-changed
	}
	follow(t, l, h, boundaries, end)
	must(t, <-fed)
}

func follow(t *testing.T, l *archive.Log, h *history, boundaries map[string]bool, end replication.Position) {
	t.Helper()
	r, err := l.OpenAt(replication.Position{})
	must(t, err)
	defer r.Close()
	deadline := time.After(20 * time.Second)
	for r.Position() != end {
		changed := l.Changed()
		_, err := r.Next()
		if !errors.Is(err, archive.ErrTail) {
			must(t, err)
			continue
		}
		if p := r.Position(); !boundaries[fmt.Sprint(p.File, p.Offset)] {
			t.Fatalf("the tail is at %v, which is no boundary", p)
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no wake-up at %v", r.Position())
		}
	}
}

func TestTailStandsOnBoundaries(t *testing.T) {
	h := smallHistory(36, replication.ChecksumCRC32, 2, 30)
	l := mustOpen(t, memOptions(memfs.New()))
	must(t, l.Bind(testIdentity))
	err := feeder{history: h, onEvent: func(pos replication.Position) {
		l.Flush()
		for changed := l.Changed(); l.State().Durable != pos; changed = l.Changed() {
			<-changed
		}
		for _, f := range h.files {
			if f.name != pos.File {
				continue
			}
			_, want := lastEnds(f, pos.Offset)
			isRotate := replication.EventType(f.bytes[f.starts[len(f.starts)-1]+4]) == replication.RotateEvent
			if isRotate && pos.Offset == int64(len(f.bytes)) {
				want = pos.Offset
			}
			if got := l.State().Published.Offset; got != want {
				t.Fatalf("durable to %v, published to %d, the last boundary is %d", pos, got, want)
			}
		}
	}}.run(l)
	must(t, err)
}

// The gap stays visible for good: to readers, in the set of executed transactions,
// and after a restart.
func TestGapIsRecordedForGood(t *testing.T) {
	h := smallHistory(37, replication.ChecksumCRC32, 3, 12)
	fsys := memfs.New()
	opts := memOptions(fsys)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	half := len(h.files[0].starts) + len(h.files[1].starts)/2
	must(t, feeder{history: h, flushEvery: 4, stopAfter: half}.runStopped(l))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	before, held := l.State().Published, l.Executed()
	must(t, l.Gap("purged by the source", h.files[2].name, h.previous(2)))
	if from, ok, err := l.Resume(anyReach); err != nil || !ok || from != (replication.Position{File: h.files[2].name, Offset: 4}) {
		t.Fatalf("Resume behind a gap: %v, %v, %v", from, ok, err)
	}
	if err := l.StartFile("binlog.000009"); err == nil {
		t.Fatal("another file than the gap's next was begun")
	}
	must(t, l.Close())
	l = mustOpen(t, opts)
	must(t, feeder{history: h, flushEvery: 4}.run(l))
	must(t, l.Close())
	l = mustOpen(t, opts)

	missing := h.previous(2).Subtract(held)
	want := h.executed.Subtract(missing)
	if !l.Executed().Equal(want) {
		t.Errorf("executed %v, expected %v", l.Executed(), want)
	}
	gaps := l.Gaps()
	if len(gaps) != 1 || gaps[0].From != before || gaps[0].Next != h.files[2].name || !gaps[0].Missing.Equal(missing) {
		t.Fatalf("gaps %+v", gaps)
	}
	r, err := l.OpenAt(replication.Position{})
	must(t, err)
	defer r.Close()
	for err == nil {
		_, err = r.Next()
	}
	var gap *archive.GapError
	if !errors.As(err, &gap) || r.Position() != before {
		t.Fatalf("at the gap, %v: %v", r.Position(), err)
	}
	if got := readAll(t, l, replication.Position{File: h.files[2].name, Offset: 4}); !bytes.Equal(got[h.files[2].name], h.files[2].bytes) {
		t.Error("the file behind the gap differs")
	}
	if f, err := l.FileForGTIDs(h.previous(2)); err != nil || f.Name != h.files[2].name {
		t.Errorf("for those before the third file: %v, %v", f.Name, err)
	}
	if f, err := l.FileForGTIDs(held); err != nil || f.Name != h.files[1].name || f.Cut == nil {
		t.Errorf("for those held before the gap: %+v, %v", f, err)
	}
}

// A reader that stands still holds nothing up.
func TestSlowReaderHoldsNothingUp(t *testing.T) {
	h := smallHistory(38, replication.ChecksumCRC32, 2, 100)
	first := *h
	first.files = h.files[:1]
	l, _ := received(t, &first)
	r, err := l.OpenAt(replication.Position{})
	must(t, err)
	defer r.Close()
	chunk, err := r.Next()
	must(t, err)
	kept := bytes.Clone(chunk.Data)
	must(t, feeder{history: h, flushEvery: 5}.run(l))
	must(t, l.Close())
	if !bytes.Equal(kept, chunk.Data) {
		t.Error("the chunk changed")
	}
}

// Recovery does not read sealed files, however many there are.
func TestManySealedFilesOpenQuickly(t *testing.T) {
	h := newHistory(39, replication.ChecksumCRC32)
	h.begin()
	for range 1000 {
		h.transaction(30, 100)
		h.rotate()
	}
	l, fsys := received(t, h)
	must(t, l.Close())
	for _, f := range h.files[:1000] { // rubbish of the same length: who reads it will notice
		overwrite(t, fsys, memDir+"/"+timelineName+"/"+f.name, 4, make([]byte, len(f.bytes)-4))
	}
	start := time.Now()
	l = mustOpen(t, memOptions(fsys))
	t.Logf("1,000 sealed files: ready in %v", time.Since(start))
	if n := len(l.Files()); n != 1001 || !l.Executed().Equal(h.executed) {
		t.Errorf("%d files, executed %v", n, l.Executed())
	}
}
