package archive_test

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// steppingHistory has a clock that is set forth and back, also between files.
func steppingHistory(seed uint64, checksum replication.Checksum, files, transactions int) *history {
	h := newHistory(seed, checksum)
	h.begin()
	for i := range files {
		if i > 0 {
			h.rotate()
		}
		for range transactions {
			switch h.rnd.IntN(20) {
			case 0:
				h.clock -= h.rnd.Int64N(5_000_000)
			case 1:
				h.clock += h.rnd.Int64N(6_000_000)
			case 2:
				h.transaction(h.rnd.IntN(9000), 1500)
			default:
				h.ddl()
			}
		}
	}
	return h
}

func TestSearchesFindEachTransaction(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		t.Run(checksum.String(), func(t *testing.T) {
			seed := rand.Uint64()
			t.Log("seed", seed)
			h := steppingHistory(seed, checksum, 5, 80)
			opts := diskOptions(t)
			l := mustOpen(t, opts)
			must(t, l.Bind(testIdentity))
			must(t, feeder{history: h, flushEvery: 9}.run(l))
			waitPublished(t, l, replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))})
			searchAll(t, &l.Archive, h)
			must(t, l.Close())
			searchAll(t, mustOpenReadOnly(t, opts), h)
		})
	}
}

func searchAll(t *testing.T, a *archive.Archive, h *history) {
	t.Helper()
	ctx := t.Context()
	check := func(what string, got archive.Found, err error, want archive.Transaction, before *replication.GTIDSet) {
		t.Helper()
		if err != nil || got.Transaction != want || !got.Before.Equal(before) || got.File.Name != want.Position.File {
			t.Fatalf("%s: %+v before %s, %v, expected %+v before %s", what, got.Transaction, got.Before, err, want, before)
		}
	}
	before, latest := &replication.GTIDSet{}, time.Time{}
	for i, tx := range h.made {
		got, err := a.FindGTID(ctx, tx.GTID)
		check(tx.GTID.String(), got, err, tx, before)
		inside := tx.Position
		inside.Offset += h.rnd.Int64N(tx.End - tx.Position.Offset)
		got, err = a.FindPosition(ctx, inside)
		check(inside.String(), got, err, tx, before)
		if tx.Time.After(latest) { // it is the first at its time or later
			got, err = a.FindTime(ctx, tx.Time)
			check(tx.Time.String(), got, err, tx, before)
			if i > 0 {
				got, err = a.FindTime(ctx, latest.Add(time.Microsecond))
				check(latest.String()+" + 1", got, err, tx, before)
			}
			latest = tx.Time
		}
		must(t, before.Add(tx.GTID))
	}
	for what, err := range map[string]error{
		"a later time":    second(a.FindTime(ctx, latest.Add(time.Microsecond))),
		"an unknown GTID": second(a.FindGTID(ctx, replication.GTID{UUID: h.uuid, Number: h.gno + 1})),
		"the end":         second(a.FindPosition(ctx, a.State().Published)),
	} {
		if !errors.Is(err, archive.ErrNoTransaction) {
			t.Errorf("%s: %v", what, err)
		}
	}
	r, err := a.OpenTime(ctx, h.made[0].Time)
	must(t, err)
	defer r.Close()
	if r.Position() != h.made[0].Position {
		t.Errorf("opened at %s", r.Position())
	}
}

func second(_ archive.Found, err error) error { return err }

func TestWhatLiesInAGapIsFoundToBeMissing(t *testing.T) {
	h := smallHistory(61, replication.ChecksumCRC32, 3, 12)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 4, stopAfter: len(h.files[0].starts)}.runStopped(l))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	must(t, l.Gap("purged", h.files[2].name, h.previous(2)))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	a := mustOpenReadOnly(t, opts)
	var gap *archive.GapError
	for _, tx := range h.made {
		_, err := a.FindGTID(t.Context(), tx.GTID)
		if lost := tx.Position.File == h.files[1].name; lost != errors.As(err, &gap) || !lost && err != nil {
			t.Errorf("%s: %v", tx.GTID, err)
		}
	}
}

// A search that damage keeps from its answer says so, and names the place.
func TestSearchesNameDamage(t *testing.T) {
	h := newHistory(62, replication.ChecksumCRC32)
	h.begin()
	for range 200 {
		h.ddl()
	}
	h.rotate()
	h.ddl()
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	tx := h.made[100]
	flipByte(t, filepath.Join(opts.Dir, l.State().Timeline, h.files[0].name), int(tx.Position.Offset)+30)
	a := mustOpenReadOnly(t, opts)
	var damage *archive.DamageError
	if _, err := a.FindGTID(t.Context(), tx.GTID); !errors.As(err, &damage) || damage.Offset != tx.Position.Offset {
		t.Errorf("%v, expected damage at %s", err, tx.Position)
	}
	if _, err := a.FindGTID(t.Context(), h.made[0].GTID); err != nil {
		t.Errorf("before it: %v", err)
	}
}

func BenchmarkFindTime(b *testing.B) {
	h := newHistory(63, replication.ChecksumCRC32)
	h.begin()
	for i := range 500 {
		if i > 0 {
			h.rotate()
		}
		for range 100 {
			h.transaction(4000, 1000)
		}
	}
	opts := archive.Options{Dir: filepath.Join(b.TempDir(), "source")}
	l := mustOpen(b, opts)
	must(b, l.Bind(testIdentity))
	must(b, feeder{history: h}.run(l))
	must(b, l.Close())
	b.Run("files=500", func(b *testing.B) {
		for i := 0; b.Loop(); i += 7919 {
			a := mustOpenReadOnly(b, opts)
			if _, err := a.FindTime(b.Context(), h.made[i%len(h.made)].Time); err != nil {
				b.Fatal(err)
			}
		}
	})
}
