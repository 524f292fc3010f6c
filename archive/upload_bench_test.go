package archive_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/memstore"
)

// BenchmarkUpload copies an open file of about 64 MiB in pieces.
func BenchmarkUpload(b *testing.B) {
	remote, err := testenv.NewS3(b, testenv.S3Options{Dir: "/dev/shm"}).Open("bench")
	must(b, err)
	b.Cleanup(func() { must(b, remote.Close()) })
	var buckets int // each run has its own
	for name, s := range map[string]store.Store{"s3": remote, "memory": memstore.New(1 << 20)} {
		for _, size := range []int{100, 8000} {
			b.Run(fmt.Sprintf("store=%s/event=%dB", name, size), func(b *testing.B) {
				h := benchHistory(size)
				l := mustOpen(b, archive.Options{Dir: b.TempDir()})
				must(b, l.Bind(testIdentity))
				must(b, feeder{history: h}.run(l))
				waitPublished(b, l, end(h))
				b.SetBytes(int64(len(h.file().bytes)))
				begin, before := usedCPU(b), buckets
				for b.Loop() {
					buckets++
					uploadOpen(b, l, bucket.New(s, fmt.Sprintf("source-%d", buckets), bucket.Options{}), len(h.file().bytes))
				}
				gib := float64(buckets-before) * float64(len(h.file().bytes)) / (1 << 30)
				b.ReportMetric((usedCPU(b)-begin).Seconds()/gib, "CPU-s/GiB")
				must(b, l.Close())
			})
		}
	}
}

// uploadOpen copies a log of so many bytes into a bucket.
func uploadOpen(b *testing.B, l *archive.Log, to *bucket.Bucket, size int) {
	ctx, cancel := context.WithCancel(b.Context())
	before := l.UploadStatus().Bytes
	var upload sync.WaitGroup
	upload.Go(func() {
		must(b, l.Upload(ctx, archive.UploadOptions{Bucket: to, Holder: testHolder, Interval: time.Millisecond}))
	})
	waitUntil(b, "all in the bucket", func() bool { return l.UploadStatus().Bytes-before >= int64(size) })
	cancel()
	upload.Wait()
}

func usedCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
