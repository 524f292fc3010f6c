package archive_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

// checkedBucket gives what is found in a bucket.
func checkedBucket(t testing.TB, s store.Store) (found []archive.Finding, leftovers []archive.Leftover, done archive.CheckProgress) {
	t.Helper()
	opts := archive.Options{Bucket: bucket.New(s, "main", bucket.Options{}), Remote: remoteFiles(t, s), ReadBuffer: 4 << 10}
	done, err := archive.CheckBucket(t.Context(), opts, archive.CheckOptions{
		Report:   func(f archive.Finding) { found = append(found, f) },
		Leftover: func(l archive.Leftover) { leftovers = append(leftovers, l) },
	})
	must(t, err)
	return found, leftovers, done
}

func TestNothingIsFoundInASoundBucket(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 10))
		checksum := replication.ChecksumCRC32
		if rnd.IntN(4) == 0 {
			checksum = replication.ChecksumNone
		}
		u := receiveUndisturbed(t, smallHistory(seed, checksum, 4, 10+rnd.IntN(40)))
		s, c := memStore(), randomContent(rnd, u.h)
		if rnd.IntN(2) == 0 {
			u.fillHalf(t, s, c)
		}
		b := u.fill(t, s, c)
		found, _, done := checkedBucket(t, s)
		files := c.sealed + c.complete
		if at, _ := u.held(c); c.end > 0 && at.Offset > replication.FirstEventOffset {
			files++
		}
		if len(found) > 0 || done.Findings > 0 || done.Files != files || done.Bytes != done.BytesAll {
			t.Errorf("seed %d, %+v, %+v: %+v", seed, c, done, found)
		}
		foreign := b.SourceKey() + ".bak"
		_, err := s.Put(t.Context(), foreign, nil, store.PutOptions{})
		must(t, err)
		if found, leftovers, _ := checkedBucket(t, s); len(found) > 0 || !slices.ContainsFunc(leftovers, func(l archive.Leftover) bool { return l.Object == foreign }) {
			t.Errorf("seed %d: beside a foreign object: %+v, left over %+v", seed, found, leftovers)
		}
	}
	if found, _, done := checkedBucket(t, memStore()); len(found) > 0 || done != (archive.CheckProgress{}) {
		t.Errorf("in an empty bucket: %+v, %+v", found, done)
	}
}

func TestNothingIsFoundInABucketBesideItsWriter(t *testing.T) {
	h := smallHistory(93, replication.ChecksumCRC32, 12, 20)
	s := memStore()
	u := startUpload(t, t.TempDir(), s, time.Millisecond)
	must(t, u.Bind(testIdentity))
	written := make(chan error, 1)
	go func() {
		err := feeder{history: h, flushEvery: 3}.run(u.Log)
		u.waitStored(t, endOf(h))
		written <- err
	}()
	for done := false; !done; {
		select {
		case err := <-written:
			must(t, err)
			done = true
		default:
		}
		if found, _, _ := checkedBucket(t, s); len(found) > 0 {
			t.Fatalf("%+v", found)
		}
	}
	u.end()
	must(t, u.Close())
	found, leftovers, done := checkedBucket(t, s)
	if len(found) > 0 || len(leftovers) > 0 || done.Files != len(h.files) {
		t.Errorf("at the end: %+v, left over %+v, %+v", found, leftovers, done)
	}
}

// What an upload leaves that ends anywhere is no damage.
func TestNothingIsFoundBehindACrash(t *testing.T) {
	h := smallHistory(95, replication.ChecksumCRC32, 4, 10)
	for n := 0; ; n += 3 {
		s := memStore()
		whole := uploadUpTo(t, h, s, faultstore.Rule{Fault: []faultstore.Fault{faultstore.LostRequest, faultstore.LostResponse}[n%2], Skip: n})
		if found, _, _ := checkedBucket(t, s); len(found) > 0 {
			t.Fatalf("behind %d requests: %+v", n, found)
		}
		if whole {
			return
		}
	}
}

// uploadUpTo copies a history into a store until all is there, or a fault ends it.
func uploadUpTo(t *testing.T, h *history, s store.Store, fault faultstore.Rule) (whole bool) {
	t.Helper()
	faulty := faultstore.New(s, 95)
	faulty.Rules(fault)
	l := mustOpen(t, archive.Options{Dir: t.TempDir(), Bucket: bucket.New(s, "main", bucket.Options{})})
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		b := bucket.New(faulty, "main", bucket.Options{Policy: store.Policy{Attempts: 1}})
		err := l.Upload(ctx, archive.UploadOptions{Bucket: b, Holder: testHolder, Interval: time.Millisecond})
		end()
		ended <- err
	}()
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 3}.run(l))
	for ctx.Err() == nil && !whole {
		status := l.UploadStatus()
		whole = status.Stored == endOf(h) && status.Pending == 0
		time.Sleep(time.Millisecond)
	}
	end()
	if err := <-ended; err != nil && !store.Temporary(err) {
		t.Fatal(err)
	}
	must(t, l.Close())
	return whole
}

// damaging is a bucket with a segment of the catalog, sealed files of two epochs, one in
// pieces that is complete, and one that is not.
type damaging struct {
	u     *undisturbed
	rnd   *rand.Rand
	store *faultstore.Store
	b     *bucket.Bucket
	old   map[string]func(context.Context, string) error // writes an older copy over an object
}

func newDamaging(t testing.TB, u *undisturbed, seed uint64) *damaging {
	t.Helper()
	d := &damaging{u: u, rnd: rand.New(rand.NewPCG(seed, 12)), store: faultstore.New(memStore(), seed), old: map[string]func(context.Context, string) error{}}
	c := content{sealed: 2, end: int64(len(u.h.files[2].bytes)) / 2, rnd: d.rnd}
	d.b = u.fill(t, d.store, c)
	d.keep(t)
	timeline := u.source.Timelines[0]
	first, err := d.b.Catalog(t.Context(), timeline)
	must(t, err)
	d.write(t, d.b.SegmentKey(timeline, 1, 2), catalog.List{Timeline: 1, First: 1, Manifests: first.Manifests})
	d.write(t, d.b.CatalogKey(timeline), catalog.List{Timeline: 1, First: 3, Epoch: first.Epoch})
	c = content{sealed: 4, complete: 1, end: int64(len(u.h.files[5].bytes)) * 2 / 3, rnd: d.rnd}
	u.fill(t, d.store, c)
	if d.rnd.IntN(2) == 0 { // a copy from before the last file
		second, err := d.b.Catalog(t.Context(), timeline)
		must(t, err)
		older := catalog.List{Timeline: 1, First: 3, Epoch: second.Epoch, Manifests: second.Manifests[2:3]}
		d.old[d.b.CatalogKey(timeline)] = func(_ context.Context, key string) error { d.write(t, key, older); return nil }
	}
	return d
}

func (d *damaging) write(t testing.TB, key string, l catalog.List) {
	t.Helper()
	body, err := l.Encode()
	must(t, err)
	_, err = d.store.Put(t.Context(), key, body, store.PutOptions{})
	must(t, err)
}

// keep snapshots the documents that change.
func (d *damaging) keep(t testing.TB) {
	t.Helper()
	for _, key := range []string{d.b.SourceKey(), d.b.LeaseKey(), d.b.CatalogKey(d.u.source.Timelines[0])} {
		restore, err := faultstore.Snapshot(t.Context(), d.store, key)
		must(t, err)
		d.old[key] = restore
	}
}

func (d *damaging) keys(t testing.TB) (keys []string) {
	t.Helper()
	objects, err := d.b.Objects(t.Context())
	must(t, err)
	for _, o := range objects {
		keys = append(keys, o.Key)
	}
	return keys
}

// reach says how far the pieces go that count.
func (d *damaging) reach(t testing.TB) string {
	t.Helper()
	c, err := d.b.Catalog(t.Context(), d.u.source.Timelines[0])
	must(t, err)
	tail, err := d.b.Tail(t.Context(), c)
	must(t, err)
	said := ""
	for _, chain := range tail.Chains {
		said += fmt.Sprintf("%s %d ", chain.File, chain.End())
	}
	return said
}

// damage does one of many kinds to the bucket, and says which objects must be named.
func (d *damaging) damage(t testing.TB) (damaged []string, what string) {
	t.Helper()
	ctx, keys := t.Context(), d.keys(t)
	key := keys[d.rnd.IntN(len(keys))]
	size := int64(len(object(t, d.store, key)))
	switch d.rnd.IntN(6) {
	case 0:
		if key == d.b.LeaseKey() {
			return nil, "" // carries no sum, and nothing depends on it
		}
		must(t, faultstore.Rewrite(ctx, d.store, key, faultstore.FlipBit(d.rnd.Int64N(8*size))))
		return []string{key}, "flip in " + key
	case 1:
		d.store.Rot(key, faultstore.FlipBit(d.rnd.Int64N(8*size)))
		return []string{key}, "rot in " + key
	case 2:
		must(t, faultstore.Rewrite(ctx, d.store, key, faultstore.Truncate(d.rnd.Int64N(size))))
		return []string{key}, "truncation of " + key
	case 3:
		return d.delete(t, key)
	case 4:
		other := keys[d.rnd.IntN(len(keys))]
		if bytes.Equal(object(t, d.store, key), object(t, d.store, other)) {
			return nil, ""
		}
		must(t, faultstore.Exchange(ctx, d.store, key, other))
		return []string{key, other}, "swap of " + key + " and " + other
	}
	key = []string{d.b.SourceKey(), d.b.LeaseKey(), d.b.CatalogKey(d.u.source.Timelines[0])}[d.rnd.IntN(3)]
	must(t, d.old[key](ctx, key))
	return []string{key}, "older copy of " + key
}

// delete deletes an object. Of pieces it does no damage where others cover it, and nothing
// tells that the last one was there.
func (d *damaging) delete(t testing.TB, key string) (damaged []string, what string) {
	t.Helper()
	before := d.reach(t)
	must(t, d.store.Delete(t.Context(), key))
	if id, piece := d.b.ParsePieceKey(key); piece {
		after := d.reach(t)
		last := d.u.h.files[5].name
		if after == before || id.File == last && !d.behind(t, id) || !strings.Contains(after, d.u.h.files[4].name) {
			return nil, ""
		}
	}
	return []string{key}, "deletion of " + key
}

// behind says whether there are pieces of a file behind one.
func (d *damaging) behind(t testing.TB, id bucket.PieceID) bool {
	return slices.ContainsFunc(d.keys(t), func(key string) bool {
		other, piece := d.b.ParsePieceKey(key)
		return piece && other.File == id.File && other.End > id.End
	})
}

// named says that a finding names an object. Of one that is missing, that may be the part of the
// key that is known.
func named(key string, f archive.Finding) bool {
	return f.Object == key || f.Object != "" && strings.Contains(f.Object, "/open/") && strings.HasPrefix(key, f.Object+"-")
}

func TestCheckOfABucketFindsEachDamage(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	u := receiveUndisturbed(t, smallHistory(seed, replication.ChecksumCRC32, 6, 12))
	for n, try := 0, uint64(0); n < 200; try++ {
		d := newDamaging(t, u, seed+try)
		if n == 0 {
			if found, _, _ := checkedBucket(t, d.store); len(found) > 0 {
				t.Fatalf("of a sound bucket: %+v", found)
			}
		}
		damaged, what := d.damage(t)
		if len(damaged) == 0 {
			continue
		}
		n++
		found, _, _ := checkedBucket(t, d.store)
		document := slices.ContainsFunc(damaged, func(key string) bool {
			return !strings.Contains(key, "/files/") && !strings.Contains(key, "/open/binlog")
		})
		missed := 0
		for _, key := range damaged {
			if !slices.ContainsFunc(found, func(f archive.Finding) bool { return named(key, f) }) {
				missed++
			}
		}
		if missed > 0 && !(document && missed < len(damaged)) { // what a damaged document lists is not looked at
			t.Fatalf("%s: found %+v", what, found)
		}
		for _, f := range found {
			if !slices.ContainsFunc(damaged, func(key string) bool { return named(key, f) }) {
				t.Fatalf("%s: also found %+v", what, f)
			}
		}
	}
}
