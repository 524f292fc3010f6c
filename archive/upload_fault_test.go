package archive_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

// quickRetries leave failures to whoever calls Upload again.
var quickRetries = store.Policy{Attempts: 2, Base: time.Millisecond, Max: time.Millisecond}

// uploadOnce copies until everything up to pos is in the bucket, or Upload fails.
func uploadOnce(t testing.TB, l *archive.Log, b *bucket.Bucket, holder bucket.Holder, pos replication.Position) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		result <- l.Upload(ctx, archive.UploadOptions{Bucket: b, Holder: holder, Interval: 5 * time.Millisecond, LeaseTTL: 2 * time.Second})
	}()
	u := &uploading{Log: l}
	for {
		if u.stored(pos) {
			cancel()
		}
		select {
		case err := <-result:
			return err
		case <-time.After(time.Millisecond):
		}
	}
}

func (u *uploading) stored(pos replication.Position) bool {
	s := u.UploadStatus()
	return s.Stored == pos && s.Pending == 0 && u.State().Durable == pos
}

// With a third of all requests failing, before or behind their effect, nothing is lost,
// doubled or moved.
func TestABucketThatFailsNowAndThenGetsEverything(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	faulty := faultstore.New(dirStore(t), seed)
	h := smallHistory(seed, replication.ChecksumCRC32, 4, 100)
	b := bucket.New(faulty, "main", bucket.Options{Logger: testLogger(t), Policy: quickRetries})
	l := mustOpen(t, archive.Options{Dir: t.TempDir(), Bucket: b, Logger: testLogger(t)})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 3}.run(l))
	var rules []faultstore.Rule
	for _, fault := range []faultstore.Fault{
		faultstore.LostRequest, faultstore.LostResponse, faultstore.Refused, faultstore.Truncated, faultstore.Holes, faultstore.StaleETag,
	} {
		rules = append(rules, faultstore.Rule{Fault: fault, Chance: 0.1})
	}
	faulty.Rules(rules...)
	for tries := 0; ; tries++ {
		err := uploadOnce(t, l, b, testHolder, end(h))
		if err == nil {
			break
		}
		if p := (interface{ Permanent() bool })(nil); errors.As(err, &p) && p.Permanent() || errors.Is(err, bucket.ErrFenced) {
			t.Fatalf("after %d tries: %v", tries, err)
		}
	}
	faulty.Rules()
	checkBucket(t, b, faulty, h.files)
}

var otherHolder = bucket.Holder{ID: "99999999-2222-3333-4444-555555555555", Name: "another"}

func TestASecondWriterIsRefusedWhileTheFirstLives(t *testing.T) {
	s, h := dirStore(t), smallHistory(5, replication.ChecksumCRC32, 2, 20)
	first := startUpload(t, t.TempDir(), s, 20*time.Millisecond)
	must(t, first.Bind(testIdentity))
	must(t, feeder{history: h}.run(first.Log))
	first.waitStored(t, end(h))
	second := mustOpen(t, archive.Options{Dir: t.TempDir(), Bucket: first.bucket})
	must(t, second.Bind(testIdentity))
	err := uploadOnce(t, second, first.bucket, otherHolder, end(h))
	if held := (*bucket.HeldError)(nil); !errors.As(err, &held) || held.Name != testHolder.Name {
		t.Errorf("the second writer: %v", err)
	}
	first.end() // and gives the lease back
	must(t, feeder{history: h}.run(second))
	must(t, uploadOnce(t, second, first.bucket, otherHolder, end(h)))
	checkBucket(t, first.bucket, s, h.files)
}

// A process that was taken for dead and was not: whoever takes over is the writer.
func TestAWriterThatWasReplacedWritesNothingMore(t *testing.T) {
	s, h := dirStore(t), smallHistory(6, replication.ChecksumCRC32, 2, 20)
	b := bucket.New(s, "main", bucket.Options{Logger: testLogger(t)})
	first := mustOpen(t, archive.Options{Dir: t.TempDir(), Bucket: b})
	must(t, first.Bind(testIdentity))
	leased, result := make(chan struct{}), make(chan error, 1)
	tell := sync.OnceFunc(func() { close(leased) })
	go func() {
		result <- first.Upload(t.Context(), archive.UploadOptions{Bucket: b, Holder: testHolder, Interval: time.Millisecond, OnLease: func(string) { tell() }})
	}()
	<-leased
	if err := (feeder{history: h, stopAfter: 30}).run(first); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	first.Flush()
	received, _ := first.End()
	(&uploading{Log: first}).waitStored(t, received)
	lease, err := b.Acquire(t.Context(), testHolder, time.Minute) // from the same data directory: at once
	must(t, err)
	_, state, err := b.TakeOver(t.Context(), lease)
	must(t, err)
	must(t, feeder{history: h}.run(first))
	if err := <-result; !errors.Is(err, bucket.ErrFenced) {
		t.Errorf("the first writer ended with %v", err)
	}
	c, err := b.Catalog(t.Context(), state.Source.Timelines[0])
	must(t, err)
	tail, err := b.Tail(t.Context(), c)
	must(t, err)
	if at := tail.Chains[len(tail.Chains)-1].End(); len(c.Manifests) > 0 || at != state.At.Offset {
		t.Errorf("%d files are sealed and the last one reaches %d: the taking over was at %d", len(c.Manifests), at, state.At.Offset)
	}
}

// A process that stood still for longer than its lease lasts, or could not reach the bucket, does
// not know whether it still is the writer.
func TestUnderALeaseThatHasExpiredNothingIsWritten(t *testing.T) {
	s, h := faultstore.New(dirStore(t), 16), smallHistory(16, replication.ChecksumCRC32, 2, 20)
	var slept atomic.Int64
	b := bucket.New(s, "main", bucket.Options{Now: func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }})
	l := mustOpen(t, archive.Options{Dir: t.TempDir(), Bucket: b})
	must(t, l.Bind(testIdentity))
	result := make(chan error, 1)
	go func() {
		result <- l.Upload(t.Context(), archive.UploadOptions{Bucket: b, Holder: testHolder, Interval: time.Millisecond, LeaseTTL: time.Hour})
	}()
	if err := (feeder{history: h, stopAfter: 30}).run(l); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	l.Flush()
	received := l.State().Published
	(&uploading{Log: l}).waitStored(t, received)
	before := l.UploadStatus()
	s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: store.ErrDenied, Key: "lease.json"})
	s.ResetCounts()
	slept.Store(int64(2 * time.Hour))
	must(t, feeder{history: h}.run(l))
	if err := <-result; !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "lease of the bucket has expired") {
		t.Errorf("the upload ended with %v", err)
	}
	if now := l.UploadStatus(); now.Stored != before.Stored || now.Pieces != before.Pieces || now.Files != before.Files {
		t.Errorf("before %+v, then %+v", before, now)
	}
	s.Rules()
	must(t, uploadOnce(t, l, b, testHolder, end(h)))
	checkBucket(t, b, s, h.files)
}

// The renewal of the lease fails while there is nothing to copy, so that nothing else asks the
// bucket: the upload ends all the same, and the status can tell.
func TestALeaseThatExpiresWhileNothingIsReceivedEndsTheUpload(t *testing.T) {
	s, h := faultstore.New(dirStore(t), 19), smallHistory(19, replication.ChecksumCRC32, 1, 20)
	b := bucket.New(s, "main", bucket.Options{})
	l := mustOpen(t, archive.Options{Dir: t.TempDir(), Bucket: b})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		result <- l.Upload(ctx, archive.UploadOptions{Bucket: b, Holder: testHolder, Interval: time.Millisecond, LeaseTTL: 300 * time.Millisecond})
	}()
	(&uploading{Log: l}).waitStored(t, end(h))
	s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: store.ErrDenied, Key: "lease.json"})
	if err := <-result; !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "lease of the bucket has expired") {
		t.Errorf("the upload ended with %v", err)
	}
	if status := l.UploadStatus(); status.Epoch != 0 || status.Stored != end(h) {
		t.Errorf("%+v", status)
	}
	s.Rules()
	must(t, uploadOnce(t, l, b, testHolder, end(h)))
	checkBucket(t, b, s, h.files)
}

// The file behind a gap may be purged before it is received: then the gap is a larger one.
func TestTheBucketLearnsThatAGapHasGrown(t *testing.T) {
	s, h := dirStore(t), smallHistory(17, replication.ChecksumCRC32, 4, 20)
	u := startUpload(t, t.TempDir(), s, time.Millisecond)
	must(t, u.Bind(testIdentity))
	if err := (feeder{history: h, stopAfter: len(h.files[0].starts) + 10}).run(u.Log); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	for _, next := range []int{2, 3} {
		_, _, err := u.Resume(anyReach)
		must(t, err)
		must(t, u.Gap("purged", h.files[next].name, h.previous(next)))
		waitUntil(t, "the gap in the bucket", func() bool {
			source, err := u.bucket.Source(t.Context())
			return err == nil && source != nil && len(source.Gaps) == 1 && source.Gaps[0].Next == h.files[next].name
		})
	}
	u.end()
	must(t, u.Close())
}

func TestTheBucketOfAnotherHistoryIsRefused(t *testing.T) {
	s, h := dirStore(t), smallHistory(7, replication.ChecksumCRC32, 3, 20)
	u := startUpload(t, t.TempDir(), s, 20*time.Millisecond)
	must(t, u.Bind(testIdentity))
	must(t, feeder{history: h}.run(u.Log))
	u.waitStored(t, end(h))
	u.end()
	server := testIdentity
	server.ServerUUID[0]++
	for name, other := range map[string]struct {
		identity archive.Identity
		history  *history
		refusal  any
	}{
		"another server":             {server, h, new(*archive.IdentityError)},
		"other bytes, sealed":        {testIdentity, smallHistory(8, replication.ChecksumCRC32, 3, 20), new(*archive.HistoryError)},
		"other bytes, open":          {testIdentity, differentEnd(h), new(*archive.HistoryError)},
		"less than the bucket":       {testIdentity, &history{files: h.files[:2]}, new(*archive.BehindError)},
		"less of the file than open": {testIdentity, shorter(h), new(*archive.BehindError)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := mustOpen(t, archive.Options{Dir: dir, Logger: testLogger(t)}) // made without the bucket
			must(t, l.Bind(other.identity))
			must(t, feeder{history: other.history}.run(l))
			waitSealed(t, l)
			must(t, l.Close())
			l = mustOpen(t, archive.Options{Dir: dir, Bucket: u.bucket, Logger: testLogger(t)})
			err := uploadOnce(t, l, u.bucket, testHolder, replication.Position{})
			if !errors.As(err, other.refusal) {
				t.Errorf("%T %v", err, err)
			}
		})
	}
	checkBucket(t, u.bucket, s, h.files)
}

// waitSealed waits until all files but the last are sealed.
func waitSealed(t testing.TB, l *archive.Log) {
	t.Helper()
	for {
		changed := l.Changed()
		files := l.Files()
		if !slices.ContainsFunc(files[:len(files)-1], func(f archive.File) bool { return !f.Sealed }) {
			return
		}
		<-changed
	}
}

// differentEnd is h with another last transaction of the same size.
func differentEnd(h *history) *history {
	files := slices.Clone(h.files)
	last := *h.file()
	last.bytes = bytes.Clone(last.bytes)
	at := last.starts[len(last.starts)-1]
	last.bytes[at+replication.HeaderSize]++
	binary.LittleEndian.PutUint32(last.bytes[len(last.bytes)-4:], crc32.ChecksumIEEE(last.bytes[at:len(last.bytes)-4]))
	files[len(files)-1] = &last
	return &history{files: files}
}

// shorter is h without its last event.
func shorter(h *history) *history {
	files := slices.Clone(h.files)
	last := *h.file()
	last.bytes = last.bytes[:last.starts[len(last.starts)-1]]
	files[len(files)-1] = &last
	return &history{files: files}
}

// A bucket that is away holds up the receiving only where the disk's limit is reached, and
// then only until it is back.
func TestTheLimitForLocalFilesHoldsWhileTheBucketIsAway(t *testing.T) {
	faulty := faultstore.New(dirStore(t), 1)
	h := smallHistory(9, replication.ChecksumCRC32, 8, 60)
	b := bucket.New(faulty, "main", bucket.Options{Logger: testLogger(t), Policy: quickRetries})
	limit := int64(3 * len(h.files[0].bytes))
	l := mustOpen(t, archive.Options{Dir: t.TempDir(), Bucket: b, Logger: testLogger(t), Keep: archive.Retention{Size: limit / 2, Limit: limit}})
	faulty.Rules(faultstore.Rule{Fault: faultstore.Refused})
	must(t, l.Bind(testIdentity))
	f := feeder{history: h, flushEvery: 5}
	for err := error(nil); err == nil || !l.State().Stalled; err = f.run(l) {
		if err := uploadOnce(t, l, b, testHolder, end(h)); err == nil {
			t.Fatal("an upload into a bucket that is away")
		}
	}
	if held := l.State().Durable; held == end(h) {
		t.Fatal("all was received")
	}
	checkRead(t, l, &history{files: h.files[:1]})
	faulty.Rules()
	ctx, cancel := context.WithCancel(t.Context())
	var uploads sync.WaitGroup
	uploads.Go(func() {
		if err := l.Upload(ctx, archive.UploadOptions{Bucket: b, Holder: testHolder, Interval: time.Millisecond}); err != nil {
			t.Error(err)
		}
	})
	for l.State().Durable != end(h) { // as the replica tries again
		_ = f.run(l) // while it is full
		time.Sleep(time.Millisecond)
	}
	(&uploading{Log: l}).waitStored(t, end(h))
	cancel()
	uploads.Wait()
	checkBucket(t, b, faulty, h.files)
	if l.Stats().Evicted == 0 {
		t.Error("nothing was removed from the disk")
	}
}
