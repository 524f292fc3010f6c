package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

func openBucket(t testing.TB, s store.Store, b *bucket.Bucket) *archive.Archive {
	t.Helper()
	a, err := archive.OpenBucket(t.Context(), archive.Options{Bucket: b, Remote: remoteFiles(t, s), Logger: testLogger(t)})
	must(t, err)
	return a
}

// upTo is the beginning of a history that a bucket holds.
func (u *undisturbed) upTo(c content) *history {
	at, executed := u.held(c)
	part := *u.h
	part.files, part.made, part.executed = nil, nil, executed
	part.gno = 0
	for _, f := range u.h.files {
		held := *f
		if part.files = append(part.files, &held); f.name == at.File {
			held.bytes = f.bytes[:at.Offset]
			break
		}
	}
	for _, tx := range u.h.made {
		if executed.Contains(tx.GTID) {
			part.made = append(part.made, tx)
			part.gno = tx.GTID.Number
		}
	}
	return &part
}

func TestABucketAloneIsReadAndSearched(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 9))
			checksum := replication.ChecksumCRC32
			if rnd.IntN(4) == 0 {
				checksum = replication.ChecksumNone
			}
			u := receiveUndisturbed(t, steppingHistory(seed, checksum, 4, 10+rnd.IntN(40)))
			s, c := memStore(), randomContent(rnd, u.h)
			if rnd.IntN(3) == 0 {
				u.fillHalf(t, s, c)
			}
			a := openBucket(t, s, u.fill(t, s, c))
			want, executed := u.held(c)
			if state := a.State(); state.Published != want || state.Stopped != nil || !a.Executed().Equal(executed) || !a.Purged().IsEmpty() {
				t.Fatalf("%+v, executed %s, purged %s; the bucket has %s, %s", state, a.Executed(), a.Purged(), want, executed)
			}
			held := u.upTo(c)
			checkRead(t, a, held)
			for i, f := range a.Files() {
				if f.Local || !f.Stored || f.Sealed != (i < c.sealed) || !f.GTIDsBefore.Equal(u.h.previous(i)) {
					t.Errorf("file %d: %+v", i, f)
				}
				if copied := new(bytes.Buffer); f.Sealed {
					must(t, a.CopyFile(t.Context(), copied, f))
					if !bytes.Equal(copied.Bytes(), u.h.files[i].bytes) {
						t.Errorf("%s: another copy", f.Name)
					}
				}
			}
			if len(held.made) > 0 {
				searchAll(t, a, held)
			}
			wanted := &replication.GTIDSet{}
			for i, tx := range held.made {
				if i%3 == 0 {
					must(t, wanted.Add(tx.GTID))
				}
			}
			extracts, err := a.ExtractGTIDs(t.Context(), wanted, false)
			must(t, err)
			if !equalFiles(extracted(t, a, u.h, extracts), cutOut(held, func(i int, _ archive.Transaction) bool { return i%3 == 0 })) {
				t.Errorf("%s: %+v", wanted, extracts)
			}
		})
	}
}

func TestAnEmptyBucketHoldsNothing(t *testing.T) {
	s := memStore()
	a := openBucket(t, s, bucket.New(s, "main", bucket.Options{}))
	if files := a.Files(); len(files) > 0 || a.State() != (archive.State{}) {
		t.Errorf("%+v, %+v", files, a.State())
	}
}

// Whatever an uploader is doing, who opens its bucket sees a beginning of the history, and
// never less than the time before.
func TestABucketIsReadBesideItsWriter(t *testing.T) {
	h := smallHistory(91, replication.ChecksumCRC32, 12, 30)
	s := memStore()
	u := startUpload(t, t.TempDir(), s, time.Millisecond)
	must(t, u.Bind(testIdentity))
	written := make(chan error, 1)
	go func() {
		err := feeder{history: h, flushEvery: 3}.run(u.Log)
		u.waitStored(t, endOf(h))
		written <- err
	}()
	executed := &replication.GTIDSet{}
	for done := false; !done; {
		select {
		case err := <-written:
			must(t, err)
			done = true
		default:
		}
		a := openBucket(t, s, u.bucket)
		if stopped := a.State().Stopped; stopped != nil {
			t.Fatal(stopped)
		}
		got := a.Executed()
		if !got.ContainsSet(executed) || !h.executed.ContainsSet(got) {
			t.Fatalf("executed %s after %s", got, executed)
		}
		executed = got
		if len(a.Files()) == 0 {
			continue
		}
		// A piece that vanishes while it is read asks for another opening; nothing else may.
		if _, err := readBack(a, h); err != nil && !errors.As(err, new(*archive.RemoteError)) {
			t.Fatal(err)
		}
	}
	if !executed.Equal(h.executed) {
		t.Errorf("at the end %s, expected %s", executed, h.executed)
	}
	u.end()
	must(t, u.Close())
}

func TestWhatStandsBeforeADamagedPieceIsShown(t *testing.T) {
	h, c := openFileHistory(92)
	u, s := receiveUndisturbed(t, h), faultstore.New(memStore(), 92)
	b := u.fill(t, s, c)
	r := &restoring{u: u, c: c, store: s, b: b}
	want, _ := u.held(c)
	key := r.pieceAt(t, 100) // which says of all behind it where they belong
	must(t, s.Delete(t.Context(), key))
	a := openBucket(t, s, b)
	if at, err := readBack(a, h); err != nil || at != end(fed(h, 1)) || at == want {
		t.Errorf("read up to %s: %v", at, err)
	}
	s.Rot(b.FileKey(u.source.Timelines[0], h.files[0].name), faultstore.FlipBit(8*200))
	var damage *archive.DamageError
	if _, err := readBack(openBucket(t, s, b), h); !errors.As(err, &damage) || !strings.HasSuffix(damage.File, "/files/"+h.files[0].name) {
		t.Errorf("a damaged file: %v", err)
	}
}

// Each record of an index ends with its own sum, so that the sum of the whole does not tell
// it from one with records of the same lengths: what the records say must be of the file.
func TestTheIndexOfAnotherFileSkipsNothing(t *testing.T) {
	h := newHistory(94, replication.ChecksumCRC32)
	h.begin()
	for i := range 3 {
		if i > 0 {
			h.rotate()
		}
		for range 200 {
			h.ddl()
		}
	}
	h.rotate()
	u, s := receiveUndisturbed(t, h), memStore()
	b := u.fill(t, s, content{sealed: 3})
	if one, two := u.sealed[1], u.sealed[2]; one.IndexSize != two.IndexSize || one.IndexCRC32C != two.IndexCRC32C {
		t.Fatalf("the indexes differ in size or sum: %+v, %+v", one, two)
	}
	timeline := u.source.Timelines[0]
	skips := func() bool {
		opts := archive.Options{Bucket: b, Remote: remoteFiles(t, s), IndexEvery: 2 << 10}
		a, err := archive.OpenBucket(t.Context(), opts)
		must(t, err)
		searchAll(t, a, u.upTo(content{sealed: 3}))
		r, err := a.OpenAt(replication.Position{File: h.files[1].name, Offset: replication.FirstEventOffset})
		must(t, err)
		defer r.Close()
		return r.SkipContained(h.executed.Subtract(h.previous(1)))
	}
	if !skips() {
		t.Error("its own index skips nothing")
	}
	must(t, faultstore.Exchange(t.Context(), s, b.IndexKey(timeline, h.files[1].name), b.IndexKey(timeline, h.files[2].name)))
	if skips() {
		t.Error("transactions are skipped by the index of another file")
	}
}
