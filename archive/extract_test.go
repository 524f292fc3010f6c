package archive_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// cutOut is what extracts must hold of a history: the head of each file, and the bytes of
// its transactions that are wanted.
func cutOut(h *history, wanted func(i int, tx archive.Transaction) bool) map[string][]byte {
	files := map[string][]byte{}
	for i, tx := range h.made {
		if wanted(i, tx) {
			f := tx.Position.File
			files[f] = append(files[f], h.named(f).bytes[tx.Position.Offset:tx.End]...)
		}
	}
	return files
}

func (h *history) named(name string) *binlogFile {
	for _, f := range h.files {
		if f.name == name {
			return f
		}
	}
	return nil
}

// extracted gives the transactions of extracts, without the events between files, and
// checks their heads.
func extracted(t *testing.T, a *archive.Archive, h *history, extracts []archive.Extract) map[string][]byte {
	t.Helper()
	got := map[string][]byte{}
	for _, e := range extracts {
		file := h.named(e.File.Name)
		var b bytes.Buffer
		must(t, a.CopyExtract(t.Context(), &b, e, true))
		if head := file.bytes[:file.starts[2]]; int64(len(head)) != e.Head || !bytes.HasPrefix(b.Bytes(), head) {
			t.Errorf("%s has not the head of its file", e.File.Name)
		}
		content := b.Bytes()[e.Head:]
		if last := file.bytes[file.starts[len(file.starts)-1]:]; replication.EventType(last[4]) == replication.RotateEvent {
			content = bytes.TrimSuffix(content, last)
		}
		if len(content) > 0 {
			got[e.File.Name] = content
		}
	}
	return got
}

func equalFiles(a, b map[string][]byte) bool {
	same := len(a) == len(b)
	for name := range a {
		same = same && bytes.Equal(a[name], b[name])
	}
	return same
}

func TestExtractsHoldExactlyTheTransactionsOfTheirRange(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	h := steppingHistory(seed, replication.ChecksumCRC32, 5, 40)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	a := mustOpenReadOnly(t, opts)
	first := func(at time.Time) int { // of those committed then or later
		for i, tx := range h.made {
			if !tx.Time.Before(at) {
				return i
			}
		}
		return len(h.made)
	}
	index := map[string]int{}
	for i, f := range h.files {
		index[f.name] = i
	}
	before := func(p, q replication.Position) bool { // p <= q
		return index[p.File] < index[q.File] || p.File == q.File && p.Offset <= q.Offset
	}
	for range 60 {
		i := h.rnd.IntN(len(h.made))
		j := i + h.rnd.IntN(len(h.made)-i)
		from, to := h.made[i], h.made[j]
		from.Position.Offset += h.rnd.Int64N(3) * h.rnd.Int64N(from.End-from.Position.Offset) / 2 // its start, or within
		to.Position.Offset += h.rnd.Int64N(to.End - to.Position.Offset)
		r := archive.Range{From: from.Position, To: to.Position}
		got, err := a.Extracts(t.Context(), r)
		must(t, err)
		want := cutOut(h, func(_ int, tx archive.Transaction) bool {
			return before(from.Position, tx.Position) && before(replication.Position{File: tx.Position.File, Offset: tx.End}, to.Position)
		})
		if !equalFiles(extracted(t, a, h, got), want) {
			t.Fatalf("%+v: %+v", r, got)
		}

		r = archive.Range{FromTime: from.Time, ToTime: to.Time}
		got, err = a.Extracts(t.Context(), r)
		must(t, err)
		want = cutOut(h, func(k int, _ archive.Transaction) bool { return k >= first(from.Time) && k < first(to.Time) })
		if !equalFiles(extracted(t, a, h, got), want) {
			t.Fatalf("%+v: %+v", r, got)
		}

		set := &replication.GTIDSet{}
		for range 20 {
			must(t, set.Add(h.made[h.rnd.IntN(len(h.made))].GTID))
		}
		got, err = a.ExtractGTIDs(t.Context(), set, false)
		must(t, err)
		want = cutOut(h, func(_ int, tx archive.Transaction) bool { return set.Contains(tx.GTID) })
		if !equalFiles(extracted(t, a, h, got), want) {
			t.Fatalf("%s: %+v", set, got)
		}
	}
	unknown := &replication.GTIDSet{}
	must(t, unknown.Add(replication.GTID{UUID: h.uuid, Number: h.gno + 1}))
	if _, err := a.ExtractGTIDs(t.Context(), unknown, true); !errors.Is(err, archive.ErrNoTransaction) {
		t.Errorf("an unknown GTID: %v", err)
	}
}

// A range across a gap is refused, unless what is missing is to be left out.
func TestExtractsDoNotCrossGapsUnasked(t *testing.T) {
	h := smallHistory(71, replication.ChecksumCRC32, 3, 12)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, stopAfter: len(h.files[0].starts)}.runStopped(l))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	must(t, l.Gap("purged", h.files[2].name, h.previous(2)))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	a := mustOpenReadOnly(t, opts)
	var gap *archive.GapError
	if _, err := a.Extracts(t.Context(), archive.Range{}); !errors.As(err, &gap) {
		t.Errorf("all: %v", err)
	}
	if _, err := a.ExtractGTIDs(t.Context(), h.executed, false); !errors.As(err, &gap) {
		t.Errorf("all by GTID: %v", err)
	}
	held := func(_ int, tx archive.Transaction) bool { return tx.Position.File != h.files[1].name }
	got, err := a.Extracts(t.Context(), archive.Range{AcrossGaps: true})
	must(t, err)
	if !equalFiles(extracted(t, a, h, got), cutOut(h, held)) {
		t.Errorf("across the gap: %+v", got)
	}
	got, err = a.ExtractGTIDs(t.Context(), h.executed, true)
	must(t, err)
	if !equalFiles(extracted(t, a, h, got), cutOut(h, held)) {
		t.Errorf("by GTID across the gap: %+v", got)
	}
	for _, f := range []int{0, 2} {
		at := replication.Position{File: h.files[f].name, Offset: 4}
		end := replication.Position{File: h.files[f].name, Offset: int64(len(h.files[f].bytes))}
		if _, err := a.Extracts(t.Context(), archive.Range{From: at, To: end}); err != nil {
			t.Errorf("%s alone: %v", at.File, err)
		}
	}
}

func TestCopiedFilesAreTheSourcesOrAnError(t *testing.T) {
	h := smallHistory(72, replication.ChecksumCRC32, 3, 20)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	a := mustOpenReadOnly(t, opts)
	for i, f := range a.Files() {
		var b bytes.Buffer
		must(t, a.CopyFile(t.Context(), &b, f))
		if !bytes.Equal(b.Bytes(), h.files[i].bytes) {
			t.Errorf("%s differs", f.Name)
		}
	}
	for _, f := range a.Files() {
		flipByte(t, filepath.Join(opts.Dir, a.State().Timeline, f.Name), 500)
		var damage *archive.DamageError
		if err := a.CopyFile(t.Context(), &bytes.Buffer{}, f); !errors.As(err, &damage) {
			t.Errorf("%s, damaged: %v", f.Name, err)
		}
	}
}
