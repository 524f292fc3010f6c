package archive_test

import (
	"errors"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// A source that was reset, went on to later names and purged those that are held
// must not be taken for the one whose history is held, gap or not.
func TestResetSourceWithLaterNamesIsAnotherHistory(t *testing.T) {
	for _, gap := range []bool{true, false} {
		h := smallHistory(3, replication.ChecksumCRC32, 2, 8)
		fsys := memfs.New()
		opts := memOptions(fsys)
		l := mustOpen(t, opts)
		must(t, l.Bind(testIdentity))
		_, _, err := l.Resume(anyReach)
		must(t, err)
		must(t, l.StartFile(h.files[0].name))
		must(t, feeder{history: h}.sendAll(l, h.files[0], 4))
		_, _, err = l.Resume(anyReach)
		must(t, err)
		before := l.Executed()

		other := smallHistory(99, replication.ChecksumCRC32, 3, 3) // the same server_uuid, GTIDs from 1 again
		next := other.files[1]
		if gap {
			next = other.files[2]
			err = l.Gap("purged", next.name, other.previous(2))
		} else {
			must(t, l.StartFile(next.name))
			err = feeder{history: other}.sendAll(l, next, 4)
		}
		var history *archive.HistoryError
		if !errors.As(err, &history) || !history.Permanent() {
			t.Errorf("gap %v: %v", gap, err)
		}
		must(t, errors.Join(ignore(l.Close(), history)))
		l = mustOpen(t, opts)
		if !l.Executed().Equal(before) || len(l.Gaps()) != 0 {
			t.Errorf("gap %v: executed %v was %v; gaps %v", gap, l.Executed(), before, l.Gaps())
		}
		_ = l.Close()
	}
}

// ignore drops an error that is one already seen.
func ignore(err error, seen error) error {
	if err == nil || errors.Is(err, seen) {
		return nil
	}
	return err
}

// A rotation that fails half-way must leave a mark that a restart believes.
func TestMarkAfterAFailedRotationIsNoDamage(t *testing.T) {
	h := smallHistory(3, replication.ChecksumCRC32, 2, 8)
	fsys := memfs.New()
	opts := memOptions(fsys)
	opts.IndexEvery = 1 << 20
	opts.MarkEvery = 50 * time.Millisecond
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	must(t, l.StartFile(h.files[0].name))
	changed := l.Changed()
	must(t, feeder{history: h}.send(l, h.files[0].bytes[4:h.files[0].starts[1]]))
	l.Flush()
	<-changed // and the mark is written; the next one falls due while the rotation fails
	must(t, feeder{history: h}.sendAll(l, h.files[0], h.files[0].starts[1]))
	failed := errors.New("no")
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.Kind == memfs.Write && op.Name == memDir+"/"+timelineName+"/catalog" {
			time.Sleep(3 * opts.MarkEvery) // a slow disk
			return memfs.Fault{Err: failed}
		}
		return memfs.Fault{}
	})
	if err := l.StartFile(h.files[1].name); err == nil {
		t.Fatal("the rotation did not fail")
	}
	fsys.SetInjector(nil)
	_, _, err = l.Resume(anyReach)
	must(t, err)
	must(t, l.Close())
	l = mustOpen(t, opts)
	if err := l.State().Stopped; err != nil {
		t.Fatal(err)
	}
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
}
