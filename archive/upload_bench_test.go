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
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/memstore"
)

// BenchmarkUpload copies an open file of about 64 MiB in pieces.
func BenchmarkUpload(b *testing.B) {
	remote, err := testenv.NewS3(b, testenv.S3Options{Dir: "/dev/shm"}).Open("bench")
	must(b, err)
	b.Cleanup(func() { must(b, remote.Close()) })
	for name, s := range map[string]store.Store{"s3": remote, "memory": memstore.New(1 << 20)} {
		for _, size := range []int{100, 8000} {
			b.Run(fmt.Sprintf("store=%s/event=%dB", name, size), func(b *testing.B) {
				h := benchHistory(size)
				l := mustOpen(b, archive.Options{Dir: b.TempDir()})
				must(b, l.Bind(testIdentity))
				must(b, feeder{history: h}.run(l))
				waitPublished(b, l, end(h))
				b.SetBytes(int64(len(h.file().bytes)))
				begin, n := usedCPU(b), 0
				for b.Loop() {
					n++
					uploadOpen(b, l, bucket.New(s, fmt.Sprintf("%s-%d-%d", b.Name()[len(b.Name())-3:], size, n), bucket.Options{}), end(h))
				}
				used := usedCPU(b) - begin
				b.ReportMetric(used.Seconds()/(float64(n)*float64(len(h.file().bytes))/(1<<30)), "CPU-s/GiB")
				must(b, l.Close())
			})
		}
	}
}

// uploadOpen copies a log into a bucket up to pos.
func uploadOpen(b *testing.B, l *archive.Log, to *bucket.Bucket, pos replication.Position) {
	ctx, cancel := context.WithCancel(b.Context())
	var upload sync.WaitGroup
	upload.Go(func() {
		must(b, l.Upload(ctx, archive.UploadOptions{Bucket: to, Holder: testHolder, Interval: time.Millisecond}))
	})
	waitUntil(b, "all in the bucket", func() bool { s := l.UploadStatus(); return s.Epoch > 0 && s.Stored == pos }) // without an epoch it is that of the run before
	cancel()
	upload.Wait()
}

func usedCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
