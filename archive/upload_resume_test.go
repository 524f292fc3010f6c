package archive_test

import (
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
)

// A writer that ends within a large transaction leaves a large piece that counts up to the
// transaction's beginning. Over it the next one writes a piece that counts from there on.
// The writer after that one goes on behind both.
func TestUploadGoesOnBehindLargePiecesThatCountInPart(t *testing.T) {
	h := newHistory(7, replication.ChecksumCRC32)
	h.begin()
	h.transaction(100, 100)
	h.transaction(20<<20, 1<<20)
	s, path := dirStore(t), t.TempDir()

	u := startUpload(t, path, s, time.Millisecond)
	must(t, u.Bind(testIdentity))
	must(t, feeder{history: h, stopAfter: 20}.runStopped(u.Log))
	u.Flush()
	waitUntil(t, "a large piece", func() bool { return u.UploadStatus().Stored.Offset >= store.MinPart })
	u.end()
	must(t, u.Close())

	for range 3 {
		u = startUpload(t, path, s, time.Millisecond)
		must(t, feeder{history: h}.run(u.Log))
		u.waitStored(t, end(h))
		checkBucket(t, u.bucket, s, h.files)
		u.end()
		must(t, u.Close())
		h.transaction(100, 100)
	}
	h.rotate() // and the file is sealed of what there is
	u = startUpload(t, path, s, time.Millisecond)
	must(t, feeder{history: h}.run(u.Log))
	u.waitStored(t, end(h))
	checkBucket(t, u.bucket, s, h.files)
	u.end()
	must(t, u.Close())
}
