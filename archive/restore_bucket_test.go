package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/remote"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// upload lets a log be copied until the test ends it.
func upload(t testing.TB, l *archive.Log, b *bucket.Bucket) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := l.Upload(ctx, archive.UploadOptions{Bucket: b, Holder: testHolder, Interval: 10 * time.Millisecond}); err != nil {
			t.Errorf("upload: %v", err)
		}
	})
	end = sync.OnceFunc(func() {
		cancel()
		wait.Wait()
	})
	t.Cleanup(end)
	return end
}

func TestALogThatWasMadeFromItsBucketIsCopiedOn(t *testing.T) {
	for seed := range uint64(3) {
		h, c := openFileHistory(20 + seed)
		if seed == 2 {
			c.end = 0 // the last sealed file goes on
		}
		u, s := receiveUndisturbed(t, h), memStore()
		b := u.fill(t, s, c)
		fsys := memfs.New()
		l := mustOpen(t, restoreOptions(t, fsys, b, remoteFiles(t, s)))
		must(t, l.Bind(testIdentity))
		end := upload(t, l, b)
		must(t, feedAll(t.Context(), l, h))
		(&uploading{Log: l}).waitStored(t, endOf(h))
		checkBucket(t, b, s, h.files)
		end()
		must(t, l.Close())
		if _, err := fsys.Stat(memDir + "/RESTORING"); err == nil {
			t.Error("RESTORING is still there")
		}
	}
}

func endOf(h *history) replication.Position { return end(h) }

// Another writer has put more into the bucket after a log was made from it.
func TestALogThatReceivedNothingIsMadeAnew(t *testing.T) {
	for seed := range uint64(4) {
		h, c := openFileHistory(30 + seed)
		u, s := receiveUndisturbed(t, h), memStore()
		b := u.fill(t, s, c)
		opts := restoreOptions(t, memfs.New(), b, remoteFiles(t, s))
		l := mustOpen(t, opts)
		if seed%2 == 0 {
			must(t, l.Restored(t.Context()))
		}
		c.end += 2000
		if seed > 1 {
			c.sealed, c.end = 2, 1000
		}
		u.fill(t, s, c)
		var behind *archive.BehindError
		if err := l.Upload(t.Context(), archive.UploadOptions{Bucket: b, Holder: testHolder}); !errors.As(err, &behind) {
			t.Fatalf("upload: %v", err)
		}
		must(t, l.Close())
		l = mustOpen(t, opts)
		want, executed := u.held(c)
		if got := l.State().Published; got != want || !l.Executed().Equal(executed) {
			t.Errorf("published %s, executed %s; the bucket has %s, %s", got, l.Executed(), want, executed)
		}
		must(t, l.Bind(testIdentity))
		must(t, feedAll(t.Context(), l, h))
		must(t, l.Close())
		must(t, u.checkFinished(opts.FS.(*memfs.FS), c.sealed))
	}
}

// What was received since then is never thrown away, whatever the bucket has.
func TestALogThatReceivedSomethingIsNotMadeAnew(t *testing.T) {
	h, c := openFileHistory(40)
	u, s := receiveUndisturbed(t, h), memStore()
	b := u.fill(t, s, c)
	opts := restoreOptions(t, memfs.New(), b, remoteFiles(t, s))
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feedAll(t.Context(), l, fed(h, 2)))
	must(t, l.Restored(t.Context()))
	must(t, l.Close())
	c.sealed, c.end = 2, 1000
	u.fill(t, s, c)
	l = mustOpen(t, opts)
	if got := l.State().Published; got != end(fed(h, 2)) {
		t.Errorf("published %s", got)
	}
	must(t, l.Close())
}

func TestAnEmptyBucketIsNothingSpecial(t *testing.T) {
	s := memStore()
	l := mustOpen(t, restoreOptions(t, memfs.New(), bucket.New(s, "main", bucket.Options{}), remoteFiles(t, s)))
	if state := l.State(); state.Timeline != "" || state.Stopped != nil {
		t.Errorf("%+v", state)
	}
	h := smallHistory(50, replication.ChecksumCRC32, 2, 10)
	must(t, l.Bind(testIdentity))
	must(t, feedAll(t.Context(), l, h))
	must(t, l.Close())
}

func TestADirectoryIsNotBegunWhileItsBucketIsAway(t *testing.T) {
	h, c := openFileHistory(51)
	u, s := receiveUndisturbed(t, h), faultstore.New(memStore(), 51)
	opts := restoreOptions(t, memfs.New(), u.fill(t, s, c), patientFiles(t, s, 5*time.Millisecond))
	b := bucket.New(s, "main", bucket.Options{Policy: store.Policy{Attempts: 1}})
	opts.Bucket = b
	for after := 0; ; after++ { // so many requests are answered
		s.Rules(faultstore.Rule{Fault: faultstore.LostRequest, Skip: after})
		l, err := archive.Open(t.Context(), opts)
		if err == nil {
			s.Rules()
			must(t, l.Restored(t.Context()))
			want, _ := u.held(c)
			if got := l.State().Published; got != want {
				t.Errorf("published %s, the bucket has %s", got, want)
			}
			must(t, l.Close())
			return
		}
		if !store.Temporary(err) && !errors.As(err, new(*archive.RemoteError)) {
			t.Fatalf("after %d requests: %v", after, err)
		}
	}
}

// A cut file is never gone on with: what comes is the file behind the gap.
func TestALogGoesOnBehindAGap(t *testing.T) {
	h := smallHistory(52, replication.ChecksumCRC32, 3, 20)
	u := &undisturbed{h: h, fsys: memfs.New()}
	l := mustOpen(t, memOptions(u.fsys))
	must(t, feedWithGap(&crashSweep{history: h}, func() *archive.Log { return l }))
	u.dir = memDir + "/" + l.State().Timeline
	u.records, u.sealed = readCatalog(t, u.fsys, u.dir)
	b, err := u.fsys.ReadFile(memDir + "/source.json")
	must(t, err)
	u.source, err = catalog.DecodeSource(b)
	must(t, err)
	whole := h.files[1].bytes
	cut := *h
	cut.files = []*binlogFile{h.files[0], {name: h.files[1].name, bytes: whole[:u.sealed[1].Size]}, h.files[2]}
	u.h = &cut
	s := memStore()
	opts := restoreOptions(t, memfs.New(), u.fill(t, s, content{sealed: 2, rnd: rand.New(rand.NewPCG(1, 1))}), remoteFiles(t, s))
	r := mustOpen(t, opts)
	var gap *archive.GapError
	if at, err := readBack(r, &cut); !errors.As(err, &gap) || at.File != h.files[1].name || at.Offset != u.sealed[1].Cut.Offset {
		t.Errorf("read up to %s: %v", at, err)
	}
	must(t, r.Bind(testIdentity))
	must(t, feedAll(t.Context(), r, h))
	if !r.Executed().Equal(l.Executed()) || !r.Missing().Equal(l.Missing()) {
		t.Errorf("executed %s, missing %s; an undisturbed log has %s, %s", r.Executed(), r.Missing(), l.Executed(), l.Missing())
	}
	must(t, r.Close())
	must(t, u.checkFinished(opts.FS.(*memfs.FS), 2))
	u.checkCatalog(t, opts.FS.(*memfs.FS))
}

// evicted is a log on disk whose sealed files are in the bucket only.
func evicted(t *testing.T, h *history, s store.Store, files *remote.Files) *archive.Log {
	t.Helper()
	dir := t.TempDir()
	opts := archive.Options{Dir: dir, Bucket: bucket.New(s, "main", bucket.Options{}), Remote: files, Keep: archive.Retention{Size: 1}, IndexEvery: 2 << 10}
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	end := upload(t, l, opts.Bucket)
	must(t, feeder{history: h, flushEvery: 50}.run(l))
	for unstored := true; unstored; {
		changed := l.Changed()
		held := l.Files()
		if unstored = len(held) < len(h.files) || !held[len(held)-2].Stored; unstored {
			<-changed
		}
	}
	end()
	must(t, l.Close())
	l = mustOpen(t, opts) // which evicts what could not go while nothing was behind it
	left, err := filepath.Glob(filepath.Join(dir, "*", "binlog.*"))
	must(t, err)
	if len(left) != 2 {
		t.Fatalf("on the disk are %v", left)
	}
	if _, err := os.Stat(left[0]); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFilesThatWereEvictedAreReadFromTheBucket(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		h := smallHistory(60, checksum, 4, 80)
		s := faultstore.New(memStore(), 60)
		l := evicted(t, h, s, remoteFiles(t, s))
		if at, err := readBack(l, h); err != nil || at != endOf(h) {
			t.Errorf("read up to %s: %v", at, err)
		}
		r, err := l.OpenAt(replication.Position{})
		must(t, err)
		if !r.SkipContained(h.previous(1)) {
			t.Error("the index in the bucket skips nothing")
		}
		must(t, r.Close())
		must(t, l.Close())
	}
}

func TestAnObjectThatIsDamagedOrAwayConcernsItsReadersOnly(t *testing.T) {
	h := smallHistory(61, replication.ChecksumCRC32, 3, 80)
	inner := memStore()
	s := faultstore.New(inner, 61)
	l := evicted(t, h, inner, patientFiles(t, s, 50*time.Millisecond))
	key := "main/" + l.State().Timeline + "/files/" + h.files[0].name
	var away *archive.RemoteError
	s.Rules(faultstore.Rule{Fault: faultstore.LostRequest})
	if _, err := readBack(l, h); !errors.As(err, &away) || away.Key != key {
		t.Errorf("a bucket that is away: %v", err)
	}
	s.Rules()
	if at, err := readBack(l, h); err != nil || at != endOf(h) {
		t.Errorf("read up to %s: %v", at, err)
	}
	must(t, l.Close())
	for name, spoil := range map[string]func(key string) error{
		"rewritten": func(key string) error { return faultstore.Rewrite(t.Context(), s, key, faultstore.FlipBit(70_000)) },
		"rotten": func(key string) error {
			s.Rot(key, faultstore.FlipBit(70_000))
			return nil
		},
		"deleted":   func(key string) error { return s.Delete(t.Context(), key) },
		"truncated": func(key string) error { return faultstore.Rewrite(t.Context(), s, key, faultstore.Truncate(20_000)) },
		"swapped": func(key string) error {
			return faultstore.Exchange(t.Context(), s, key, strings.Replace(key, h.files[0].name, h.files[1].name, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inner := memStore()
			s = faultstore.New(inner, 61)
			l := evicted(t, h, inner, remoteFiles(t, s))
			must(t, spoil(key))
			at, err := readBack(l, h)
			var damage *archive.DamageError
			if !errors.As(err, &damage) || damage.File != key || at.File != h.files[0].name {
				t.Errorf("read up to %s: %v", at, err)
			}
			if err := l.State().Stopped; err != nil {
				t.Errorf("the log was stopped: %v", err)
			}
			if n, last := l.StoredDamage(); n != 1 || last != damage {
				t.Errorf("%d damages are known, %v", n, last)
			}
			must(t, l.Close())
		})
	}
}

// A document that was lost, or put back to an older state, is no empty bucket, and no reason to
// begin a history anew.
func TestALostOrOldDocumentOfTheBucketIsNamed(t *testing.T) {
	h := smallHistory(64, replication.ChecksumCRC32, 4, 40)
	sourceKey, leaseKey := "main/source.json", "main/lease.json"
	catalogKey := ""
	for name, c := range map[string]struct {
		key   *string
		old   bool
		empty bool // an empty directory is refused
		held  bool // the directory that wrote it is refused
	}{
		"source.json lost":  {key: &sourceKey, empty: true, held: true},
		"catalog lost":      {key: &catalogKey, empty: true, held: true},
		"an older catalog":  {key: &catalogKey, old: true, empty: true, held: true},
		"an older lease":    {key: &leaseKey, old: true},
		"the lease is lost": {key: &leaseKey},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := memStore(), t.TempDir()
			b := bucket.New(s, "main", bucket.Options{})
			feed := func(files int) {
				l := mustOpen(t, archive.Options{Dir: dir, Bucket: b})
				must(t, l.Bind(testIdentity))
				part := *h
				part.files = h.files[:files]
				must(t, feeder{history: &part}.run(l))
				must(t, uploadOnce(t, l, b, testHolder, end(&part)))
				must(t, l.Close())
			}
			feed(2)
			l := mustOpen(t, archive.Options{Dir: dir, Bucket: b})
			catalogKey = "main/" + l.State().Timeline + "/catalog/open"
			must(t, l.Close())
			restore, err := faultstore.Snapshot(t.Context(), s, *c.key)
			must(t, err)
			feed(3)
			feed(4)
			if c.old {
				must(t, restore(t.Context(), *c.key))
			} else {
				must(t, s.Delete(t.Context(), *c.key))
			}

			refused := func(err error) bool { return err != nil && strings.Contains(err.Error(), *c.key) }
			fresh, err := archive.Open(t.Context(), restoreOptions(t, memfs.New(), bucket.New(s, "main", bucket.Options{}), remoteFiles(t, s)))
			if err == nil {
				err = fresh.State().Stopped
				must(t, fresh.Close())
			}
			if refused(err) != c.empty {
				t.Errorf("an empty directory: %v", err)
			}
			l = mustOpen(t, archive.Options{Dir: dir, Bucket: b})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			leased := make(chan struct{}, 1)
			result := make(chan error, 1)
			go func() {
				result <- l.Upload(ctx, archive.UploadOptions{Bucket: bucket.New(s, "main", bucket.Options{}), Holder: testHolder, LeaseTTL: time.Second, OnLease: func(string) { leased <- struct{}{} }})
			}()
			select {
			case err = <-result:
			case <-leased:
				cancel()
				err = <-result
			}
			if refused(err) != c.held {
				t.Errorf("the directory that wrote it: %v", err)
			}
			if lease, err := b.LeaseState(t.Context()); *c.key == leaseKey && (err != nil || lease == nil || lease.Epoch <= 3) {
				t.Errorf("%+v, %v: an epoch was given twice", lease, err)
			}
			must(t, l.Close())
		})
	}
}

// transit is a store whose answers have a flipped bit on the way, as often as flips says.
type transit struct {
	store.Store
	flips atomic.Int32
}

func (s *transit) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	body, err := s.Store.Get(ctx, key, r)
	if err == nil && strings.Contains(key, "/files/") && !strings.HasSuffix(key, ".idx") && s.flips.Add(-1) >= 0 {
		b, readErr := io.ReadAll(body)
		b[len(b)/2] ^= 4
		body.ReadCloser = io.NopCloser(bytes.NewReader(b))
		err = readErr
	}
	return body, err
}

// A cache must not keep what the network has made of an object.
func TestBytesThatChangedOnTheWayAreFetchedAgain(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		h := smallHistory(62, checksum, 3, 80)
		s := &transit{Store: memStore()}
		l := evicted(t, h, s.Store, remoteFiles(t, s))
		s.flips.Store(1)
		var away *archive.RemoteError
		at, err := readBack(l, h)
		if !errors.As(err, &away) || !strings.Contains(err.Error(), "other bytes arrived") {
			t.Errorf("read up to %s: %v", at, err)
		}
		if at, err := readBack(l, h); err != nil || at != endOf(h) {
			t.Errorf("then up to %s: %v", at, err)
		}
		if n, last := l.StoredDamage(); n != 0 || last != nil {
			t.Errorf("%d damages, %v", n, last)
		}
		must(t, l.Close())
	}
}

// copyObjects writes each object again as it is: its ETag is another one then.
func copyObjects(t *testing.T, s store.Store) {
	t.Helper()
	page, err := s.List(t.Context(), "", "", 0)
	must(t, err)
	for _, o := range page.Objects {
		must(t, faultstore.Rewrite(t.Context(), s, o.Key, func(b []byte) []byte { return b }))
	}
}

// A bucket was moved by a tool that copies objects: those that hold the files are read, and a log
// is made of them, whatever their ETags are.
func TestACopyOfABucketIsAsGood(t *testing.T) {
	h := smallHistory(63, replication.ChecksumCRC32, 3, 80)
	s := faultstore.New(memStore(), 63)
	l := evicted(t, h, s, remoteFiles(t, s))
	copyObjects(t, s)
	for range 2 {
		if at, err := readBack(l, h); err != nil || at != endOf(h) {
			t.Errorf("read up to %s: %v", at, err)
		}
	}
	if n, last := l.StoredDamage(); n != 0 {
		t.Errorf("%d damages, %v", n, last)
	}
	key := "main/" + l.State().Timeline + "/files/" + h.files[0].name
	must(t, l.Close())

	opts := restoreOptions(t, memfs.New(), bucket.New(s, "main", bucket.Options{}), remoteFiles(t, s))
	l = mustOpen(t, opts)
	if at, err := readBack(l, h); err != nil || at.File != endOf(h).File {
		t.Errorf("of the log that was made of it, read up to %s: %v", at, err)
	}
	must(t, l.Close())
	must(t, faultstore.Rewrite(t.Context(), s, key, faultstore.FlipBit(70_000)))
	opts.Remote = remoteFiles(t, s) // which has read nothing
	l = mustOpen(t, opts)
	var damage *archive.DamageError
	for range 2 {
		if at, err := readBack(l, h); !errors.As(err, &damage) || damage.File != key {
			t.Errorf("an object with a flipped bit was read up to %s: %v", at, err)
		}
	}
	must(t, l.Close())
}

// An index of another file would let a reader skip what its client lacks.
func TestAnIndexOfAnotherFileSkipsNothing(t *testing.T) {
	h := smallHistory(62, replication.ChecksumCRC32, 3, 80)
	inner := memStore()
	l := evicted(t, h, inner, remoteFiles(t, inner))
	key := "main/" + l.State().Timeline + "/files/"
	must(t, faultstore.Exchange(t.Context(), inner, key+h.files[0].name+".idx", key+h.files[1].name+".idx"))
	r, err := l.OpenAt(replication.Position{File: h.files[1].name, Offset: replication.FirstEventOffset})
	must(t, err)
	if r.SkipContained(h.previous(1)) {
		t.Errorf("the reader was moved to %s", r.Position())
	}
	must(t, r.Close())
	if at, err := readBack(l, h); err != nil || at != endOf(h) {
		t.Errorf("read up to %s: %v", at, err)
	}
	must(t, l.Close())
}

// manyFiles puts the catalog of n files into a bucket, of which the first is there and
// the last is cut.
func manyFiles(t *testing.T, u *undisturbed, s store.Store, n int) *bucket.Bucket {
	t.Helper()
	b := u.fill(t, s, content{sealed: 1, rnd: rand.New(rand.NewPCG(1, 1))})
	timeline := u.source.Timelines[0]
	c, err := b.Catalog(t.Context(), timeline)
	must(t, err)
	manifests := c.Manifests
	gno := int64(u.h.starts[1].Count())
	for len(manifests) < n {
		m := manifests[0]
		before := fmt.Sprintf("%s:1-%d", sourceUUID, gno)
		m.Seq, m.Name, m.GTIDsBefore = uint64(len(manifests)+1), fmt.Sprintf("binlog.%06d", len(manifests)+1), &before
		m.GTIDsAdded = fmt.Sprintf("%s:%d-%d", sourceUUID, gno+1, gno+1000)
		gno += 1000
		manifests = append(manifests, m)
	}
	last := &manifests[n-1]
	last.Cut = &archive.Cut{Offset: last.Size, Reason: "purged"}
	const segment = 1000
	for first := 0; first < n; first += segment {
		list := catalog.List{Timeline: 1, First: uint64(first) + 1, Manifests: manifests[first:min(n, first+segment)]}
		key := b.SegmentKey(timeline, list.First, list.Next()-1)
		if first+segment >= n {
			key, list.Epoch = b.CatalogKey(timeline), c.Epoch
		}
		body, err := list.Encode()
		must(t, err)
		_, err = s.Put(t.Context(), key, body, store.PutOptions{})
		must(t, err)
	}
	source, err := b.Source(t.Context())
	must(t, err)
	source.Gaps = []catalog.Gap{{Timeline: 1, Seq: last.Seq, From: replication.Position{File: last.Name, Offset: last.Size}, Size: last.Size,
		Next: fmt.Sprintf("binlog.%06d", n+1), Missing: &replication.GTIDSet{}, Reason: "purged", Detected: time.Unix(1, 0).UTC()}}
	body, err := source.Encode()
	must(t, err)
	_, err = s.Put(t.Context(), "main/source.json", body, store.PutOptions{})
	must(t, err)
	return b
}

func TestTenThousandFilesAreServedAfterAFewRequests(t *testing.T) {
	const files, mostRequests, mostMemory = 10_000, 32, 96 << 20
	u := receiveUndisturbed(t, smallHistory(70, replication.ChecksumCRC32, 2, 30))
	s := faultstore.New(memStore(), 70)
	b := manyFiles(t, u, s, files)
	opts := restoreOptions(t, memfs.New(), b, remoteFiles(t, s))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	opts.FS.(*memfs.FS).SetInjector(func(memfs.Op) memfs.Fault {
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapAlloc)
		return memfs.Fault{}
	})
	s.ResetCounts()
	began := time.Now()
	l := mustOpen(t, opts)
	requests := int64(0)
	for _, c := range s.Counts() {
		requests += c.Requests
	}
	runtime.ReadMemStats(&now)
	peak = max(peak, now.HeapAlloc) - min(peak, before.HeapAlloc)
	t.Logf("%d requests, %d MiB, %s", requests, peak>>20, time.Since(began))
	if requests > mostRequests || peak > mostMemory {
		t.Errorf("%d requests and %d MiB, at most %d and %d", requests, peak>>20, mostRequests, mostMemory>>20)
	}
	if n := len(l.Files()); n != files {
		t.Errorf("%d files", n)
	}
	r, err := l.OpenAt(replication.Position{})
	must(t, err)
	c, err := r.Next()
	if err != nil || len(c.Data) == 0 {
		t.Errorf("the first file: %v", err)
	}
	must(t, r.Close())
	must(t, l.Close())
}

// What was fetched may be the only copy by now: less in the bucket is no reason to throw it away.
func TestADirectoryIsNotMadeAnewOfLess(t *testing.T) {
	u := receiveUndisturbed(t, smallHistory(65, replication.ChecksumCRC32, 3, 60))
	s := memStore()
	b := u.fill(t, s, content{sealed: 1, end: int64(len(u.h.files[1].bytes)), rnd: rand.New(rand.NewPCG(65, 1))})
	opts := restoreOptions(t, memfs.New(), b, remoteFiles(t, s))
	l := mustOpen(t, opts)
	must(t, l.Restored(t.Context()))
	before := l.State().Published
	must(t, l.Close())

	page, err := s.List(t.Context(), "main/0001-", "", 0)
	must(t, err)
	for _, o := range page.Objects {
		if strings.Contains(o.Key, "/open/") && !strings.Contains(o.Key, "/00000000000000000000-") {
			must(t, s.Delete(t.Context(), o.Key)) // all pieces but the first
		}
	}
	l = mustOpen(t, opts)
	if now := l.State().Published; now != before || before.Offset == 0 {
		t.Errorf("published was %s, and is %s", before, now)
	}
	must(t, l.Close())
}
