package archive_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// A source may purge a file that is held to its end: the one behind it follows,
// and nothing is lost. The log knows which that is, after a restart too.
func TestSuccessorOfAFileHeldToItsEndIsKnown(t *testing.T) {
	for _, restart := range []bool{false, true} {
		h := smallHistory(41, replication.ChecksumCRC32, 3, 12)
		fsys := memfs.New()
		opts := memOptions(fsys)
		l := mustOpen(t, opts)
		must(t, l.Bind(testIdentity))
		_, _, err := l.Resume(anyReach)
		must(t, err)
		for _, f := range h.files[:2] {
			must(t, l.StartFile(f.name))
			if next := l.Successor(); next != "" {
				t.Fatalf("%q follows a file that was only begun", next)
			}
			must(t, feeder{history: h}.sendAll(l, f, 4))
		}
		if restart {
			must(t, l.Close())
			l = mustOpen(t, opts)
			must(t, l.Bind(testIdentity))
		}
		_, _, err = l.Resume(anyReach)
		must(t, err)
		if next := l.Successor(); next != h.files[2].name {
			t.Fatalf("%q follows, not %q", next, h.files[2].name)
		}
		must(t, l.StartFile(h.files[2].name))
		must(t, feeder{history: h}.sendAll(l, h.files[2], 4))
		must(t, l.Close())
		l = mustOpen(t, opts)
		if !l.Executed().Equal(h.executed) || len(l.Gaps()) != 0 {
			t.Fatalf("executed %v, expected %v; gaps %+v", l.Executed(), h.executed, l.Gaps())
		}
		must(t, l.Close())
	}
}

// Who has all that a gap lacks goes on behind it, also at the live tail, where the file
// behind it is still to come. Who lacks some of it does not, nor anybody behind a
// gap of which no GTIDs say what is missing.
func TestWhoHasWhatIsMissingCrossesTheGap(t *testing.T) {
	h := smallHistory(42, replication.ChecksumCRC32, 4, 12)
	l := mustOpen(t, memOptions(memfs.New()))
	must(t, l.Bind(testIdentity))
	first, behind := h.files[0], h.files[3]
	must(t, l.StartFile(first.name))
	must(t, feeder{history: h}.sendAll(l, first, 4))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	must(t, l.Gap("purged", h.files[2].name, h.previous(2)))
	must(t, l.StartFile(h.files[2].name)) // and cut before its first event
	must(t, l.Gap("purged", behind.name, h.previous(3)))

	missing := l.Gaps()[0].Missing
	all := missing.Union(l.Gaps()[1].Missing)
	reader := func(set *replication.GTIDSet) *archive.Reader {
		r, err := l.OpenAt(replication.Position{})
		must(t, err)
		t.Cleanup(func() { r.Close() })
		r.CrossGaps(set)
		return r
	}
	read := func(r *archive.Reader) (got []byte, err error) {
		for {
			c, err := r.Next()
			if err != nil {
				return got, err
			}
			got = append(got, c.Data...)
		}
	}
	waiting := reader(all)
	if got, err := read(waiting); !errors.Is(err, archive.ErrTail) || !bytes.Equal(got, first.bytes[4:]) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	must(t, l.StartFile(behind.name))
	must(t, feeder{history: h}.sendAll(l, behind, 4))
	_, _, err = l.Resume(anyReach)
	must(t, err)
	if got, err := read(waiting); !errors.Is(err, archive.ErrTail) || !bytes.Equal(got, behind.bytes[4:]) {
		t.Errorf("behind the gap: %d bytes, %v", len(got), err)
	}
	for name, set := range map[string]*replication.GTIDSet{"nothing": {}, "what the first gap lacks": missing, "no set": nil} {
		var gap *archive.GapError
		if got, err := read(reader(set)); !errors.As(err, &gap) || !bytes.Equal(got, first.bytes[4:]) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	must(t, l.Close())
}
