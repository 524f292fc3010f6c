package archive_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/dir"
	"github.com/binlogproxy/binlogproxy/replication"
)

func dirStore(t testing.TB) store.Store {
	t.Helper()
	s, err := dir.Open(t.TempDir())
	must(t, err)
	return s
}

var testHolder = bucket.Holder{ID: "11111111-2222-3333-4444-555555555555", Name: "test"}

// uploading is a log whose upload runs.
type uploading struct {
	*archive.Log
	bucket *bucket.Bucket
	end    func() // ends the upload, which gives its lease back
}

// startUpload opens a log and copies it into s.
func startUpload(t testing.TB, dir string, s store.Store, interval time.Duration) *uploading {
	t.Helper()
	b := bucket.New(s, "main", bucket.Options{Logger: testLogger(t)})
	l := mustOpen(t, archive.Options{Dir: dir, Bucket: b, Logger: testLogger(t)})
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := l.Upload(ctx, archive.UploadOptions{Bucket: b, Holder: testHolder, Interval: interval, LeaseTTL: 2 * time.Second}); err != nil {
			t.Errorf("upload: %v", err)
		}
	})
	u := &uploading{Log: l, bucket: b}
	u.end = sync.OnceFunc(func() {
		cancel()
		wait.Wait()
	})
	t.Cleanup(u.end)
	return u
}

// waitStored waits until the bucket has everything up to pos, and lists all files before.
func (u *uploading) waitStored(t testing.TB, pos replication.Position) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s := u.UploadStatus()
		if s.Stored == pos && s.Pending == 0 && u.State().Durable == pos {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("stored %s, %d pending; wanted %s", s.Stored, s.Pending, pos)
		}
	}
}

// checkBucket compares what the bucket counts with the source's files.
func checkBucket(t testing.TB, b *bucket.Bucket, s store.Store, files []*binlogFile) {
	t.Helper()
	doc, err := b.Source(t.Context())
	must(t, err)
	timeline := doc.Timelines[0]
	c, err := b.Catalog(t.Context(), timeline)
	must(t, err)
	tail, err := b.Tail(t.Context(), c)
	must(t, err)
	if n := len(c.Manifests) + len(tail.Chains); n != len(files) {
		t.Fatalf("%d files are sealed and %d open; the source has %d", len(c.Manifests), len(tail.Chains), len(files))
	}
	for i, m := range c.Manifests {
		if got := object(t, s, b.FileKey(timeline, m.Name)); m.Name != files[i].name || !bytes.Equal(got, files[i].bytes) {
			t.Errorf("%s in the bucket is not the source's %s", m.Name, files[i].name)
		}
	}
	for i, chain := range tail.Chains {
		var got []byte
		for _, span := range chain.Spans {
			got = append(got, object(t, s, b.PieceKey(span.PieceID))[span.From-span.First:span.To-span.First]...)
		}
		if want := files[len(c.Manifests)+i]; chain.File != want.name || !bytes.Equal(got, want.bytes) {
			t.Errorf("the pieces of %s have %d bytes, %s at the source %d", chain.File, len(got), want.name, len(want.bytes))
		}
	}
}

func object(t testing.TB, s store.Store, key string) []byte {
	t.Helper()
	body, err := s.Get(t.Context(), key, store.Range{})
	must(t, err)
	defer body.Close()
	b, err := io.ReadAll(body)
	must(t, err)
	return b
}

func end(h *history) replication.Position {
	return replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))}
}

func TestTheBucketHasWhatTheLogHas(t *testing.T) {
	for name, h := range map[string]*history{
		"small transactions": smallHistory(1, replication.ChecksumCRC32, 4, 200),
		"no checksums":       smallHistory(2, replication.ChecksumNone, 3, 50),
		"large":              largeHistory(3),
	} {
		t.Run(name, func(t *testing.T) {
			s, path := dirStore(t), t.TempDir()
			half := *h
			half.files = h.files[:(len(h.files)+1)/2]
			for _, part := range []*history{&half, h} { // the second goes on where the first has ended
				u := startUpload(t, path, s, 20*time.Millisecond)
				must(t, u.Bind(testIdentity))
				must(t, feeder{history: part, flushEvery: 7, partSize: 1 << 20}.run(u.Log))
				u.waitStored(t, end(part))
				checkBucket(t, u.bucket, s, part.files)
				u.end()
				must(t, u.Close())
			}
		})
	}
}

// largeHistory has transactions and events larger than any piece.
func largeHistory(seed uint64) *history {
	h := newHistory(seed, replication.ChecksumCRC32)
	h.begin()
	h.transaction(3<<20, 1<<10)
	h.transaction(18<<20, 1<<20)
	h.transaction(17<<20, 17<<20)
	h.ddl()
	h.rotate()
	h.transaction(9<<20, 9<<20)
	h.transaction(100, 100)
	return h
}

// What the bucket lacks is told, with its age, also while nothing is copied: that is when
// somebody must know.
func TestWhatTheBucketLacksIsKnownWhileNothingIsCopied(t *testing.T) {
	s, path := dirStore(t), t.TempDir()
	h := smallHistory(1, replication.ChecksumCRC32, 2, 50)
	half := *h
	half.files = h.files[:1]
	u := startUpload(t, path, s, 20*time.Millisecond)
	must(t, u.Bind(testIdentity))
	must(t, feeder{history: &half, flushEvery: 7, partSize: 1 << 20}.run(u.Log))
	u.waitStored(t, end(&half))
	if st := u.UploadStatus(); st.Behind != 0 || !st.Since.IsZero() {
		t.Errorf("with everything stored: %+v", st)
	}
	u.end()
	before := time.Now()
	must(t, feeder{history: h, flushEvery: 7, partSize: 1 << 20}.run(u.Log))
	waitPublished(t, u.Log, end(h))
	st := u.UploadStatus()
	if st.Epoch != 0 || st.Stored != end(&half) || st.Behind < int64(len(h.files[1].bytes)) || st.Since.Before(before.Add(-time.Second)) || st.Since.After(time.Now()) {
		t.Errorf("with the upload ended at %v: %+v", before, st)
	}
	must(t, u.Close())

	// How much of the open file is in the bucket is not known before it is asked again.
	l := mustOpen(t, archive.Options{Dir: path, Bucket: u.bucket, Logger: testLogger(t)})
	if again := l.UploadStatus(); again.Behind < st.Behind || again.Since.Before(st.Since) {
		t.Errorf("opened again: %+v, before %+v", again, st)
	}
	must(t, l.Close())
}
