package remote

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// link is a line that all bodies share: so many bytes a second, behind a delay of
// each request.
type link struct {
	delay time.Duration
	rate  int64

	mu   sync.Mutex
	free time.Time // when it has passed all that was sent
}

func (l *link) attach(b *bucket) {
	b.before = func(context.Context, string, store.Range) error { time.Sleep(l.delay); return nil }
	b.body = func(r io.ReadCloser) io.ReadCloser { return &slowBody{r, l} }
}

type slowBody struct {
	io.ReadCloser
	link *link
}

func (s *slowBody) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p[:min(len(p), 32<<10)])
	s.link.pass(n)
	return n, err
}

// overslept is how late a sleep may end without making the line slower.
const overslept = 5 * time.Millisecond

func (l *link) pass(n int) {
	l.mu.Lock()
	if least := time.Now().Add(-overslept); l.free.Before(least) {
		l.free = least
	}
	l.free = l.free.Add(time.Duration(int64(n) * int64(time.Second) / l.rate))
	until := l.free
	l.mu.Unlock()
	time.Sleep(time.Until(until))
}

// The clock is that of the test, so that this is exact and waits for nothing.
func TestSequentialReadingIsAsFastAsADownload(t *testing.T) {
	for name, limit := range map[string]int64{"disk": 256 << 20, "memory": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBucket(t)
				e, content := b.put(t, "binlog.000001", 64<<20)
				l := &link{delay: 20 * time.Millisecond, rate: 100e6}
				l.attach(b)
				begin := time.Now()
				raw, err := b.Get(t.Context(), e.Key, store.Range{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, raw); err != nil {
					t.Fatal(err)
				}
				raw.Close()
				download := time.Since(begin)

				f := open(t, newFiles(t, b, openCache(t, t.TempDir(), limit, CacheOptions{}), Options{}), e)
				begin = time.Now()
				mustScan(t, f, content)
				if ratio := float64(download) / float64(time.Since(begin)); ratio < 0.9 {
					t.Errorf("%.3f of the speed of a download", ratio)
				} else {
					t.Logf("%.3f of the speed of a download", ratio)
				}
			})
		})
	}
}
