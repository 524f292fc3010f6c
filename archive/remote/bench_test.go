package remote

import (
	"io"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// BenchmarkSequential reads 128 MiB that are in no cache, beside a plain download of
// the same object, from a store with 20 ms delay and 100 MB/s.
func BenchmarkSequential(b *testing.B) {
	s := newBucket(b)
	e, _ := s.put(b, "binlog.000001", 128<<20)
	line := &link{delay: 20 * time.Millisecond, rate: 100e6}
	line.attach(s)
	b.SetBytes(e.Size)
	var raw, read time.Duration
	for b.Loop() {
		b.StopTimer()
		raw += download(b, s, e)
		c := openCache(b, b.TempDir(), 256<<20, CacheOptions{})
		files := New(s, c, Options{})
		f := open(b, files, e)
		b.StartTimer()
		begin := time.Now()
		p := make([]byte, 192<<10)
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(f, 0, e.Size)}, p); err != nil {
			b.Fatal(err)
		}
		read += time.Since(begin)
		b.StopTimer()
		f.Close()
		files.Close()
		b.StartTimer()
	}
	b.ReportMetric(raw.Seconds()/read.Seconds(), "of-raw")
}

// download is how long one GET of the whole object takes.
func download(b *testing.B, s Getter, e Extent) time.Duration {
	b.Helper()
	begin := time.Now()
	body, err := s.Get(b.Context(), e.Key, store.Range{IfMatch: e.ETag})
	if err != nil {
		b.Fatal(err)
	}
	defer body.Close()
	if n, err := io.Copy(io.Discard, body); n != e.Size || err != nil {
		b.Fatal(n, err)
	}
	return time.Since(begin)
}
