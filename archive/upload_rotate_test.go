package archive_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
)

// lateSealing lets nobody but the upload, which is first, read a file alone before
// release is closed.
type lateSealing struct {
	archive.FS
	name    string
	opened  atomic.Int32
	release chan struct{}
}

func (l *lateSealing) OpenFile(name string, mode archive.OpenMode) (archive.Handle, error) {
	if mode == archive.ReadOnly && filepath.Base(name) == l.name && l.opened.Add(1) > 1 {
		<-l.release
	}
	return l.FS.OpenFile(name, mode)
}

// The end of a file is in the bucket within the interval also while the next one has
// nothing yet and the sealing takes its time: else the pieces of the next would not count.
func TestTheEndOfAFileIsStoredBeforeItIsSealed(t *testing.T) {
	h := smallHistory(5, replication.ChecksumCRC32, 2, 50)
	f := h.files[0]
	s, fsys := dirStore(t), &lateSealing{FS: archive.OS, name: f.name, release: make(chan struct{})}
	release := sync.OnceFunc(func() { close(fsys.release) })
	b := bucket.New(s, "main", bucket.Options{Logger: testLogger(t)})
	l := mustOpen(t, archive.Options{Dir: t.TempDir(), FS: fsys, Bucket: b, Logger: testLogger(t)})
	ctx, cancel := context.WithCancel(t.Context())
	var upload sync.WaitGroup
	upload.Go(func() {
		if err := l.Upload(ctx, archive.UploadOptions{Bucket: b, Holder: testHolder, Interval: 20 * time.Millisecond}); err != nil {
			t.Errorf("upload: %v", err)
		}
	})
	defer func() {
		release()
		cancel()
		upload.Wait()
		must(t, l.Close())
	}()
	must(t, l.Bind(testIdentity))
	must(t, l.StartFile(f.name))
	half := f.starts[len(f.starts)/2]
	must(t, feeder{}.sendAll(l, &binlogFile{bytes: f.bytes[:half]}, 4))
	l.Flush()
	waitUntil(t, "a piece", func() bool { return l.UploadStatus().Pieces > 0 })
	must(t, feeder{}.sendAll(l, f, half))
	must(t, l.StartFile(h.files[1].name))
	waitUntil(t, "the end of the file", func() bool {
		return l.UploadStatus().Stored == replication.Position{File: f.name, Offset: int64(len(f.bytes))}
	})
	checkBucket(t, b, s, h.files[:1])
}

// closedFolder is a store that lets nobody write files before open is closed.
type closedFolder struct {
	store.Store
	open chan struct{}
}

func (s *closedFolder) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	if strings.Contains(key, "/files/") {
		<-s.open
	}
	return s.Store.Put(ctx, key, body, o)
}

// The pieces of a file do not count while the file before is not in the bucket, which was
// complete before it was copied and has none.
func TestPiecesBehindAFileThatIsNotInTheBucketAreNotCalledStored(t *testing.T) {
	h := smallHistory(18, replication.ChecksumCRC32, 2, 50)
	dir := t.TempDir()
	l := mustOpen(t, archive.Options{Dir: dir})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())

	s := &closedFolder{Store: dirStore(t), open: make(chan struct{})}
	open := sync.OnceFunc(func() { close(s.open) })
	u := startUpload(t, dir, s, time.Millisecond)
	defer func() {
		open()
		u.end()
		must(t, u.Close())
	}()
	waitUntil(t, "a piece of the open file", func() bool { return u.UploadStatus().Pieces > 0 })
	if status := u.UploadStatus(); status.Stored.File != "" || status.Pending != 1 {
		t.Errorf("nothing counts yet: %+v", status)
	}
	open()
	u.waitStored(t, end(h))
	checkBucket(t, u.bucket, s, h.files)
}

// waitUntil waits for something of the upload, which wakes nobody.
func waitUntil(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not reached", what)
		}
	}
}
