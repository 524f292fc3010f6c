package archive_test

import (
	"testing"

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
