package remote

import (
	"errors"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv"
)

func TestOnVersityGW(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s, err := testenv.NewS3(t, testenv.S3Options{Dir: "/dev/shm"}).Open("remote")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := &bucket{Store: s}
	e, content := b.put(t, "binlog.000001", 20<<20)
	piece, bytes := b.put(t, "piece", 1000)
	c := openCache(t, t.TempDir(), 64<<20, CacheOptions{})
	files := New(s, c, Options{})
	defer files.Close()
	unpinned := e
	unpinned.ETag = ""
	mustScan(t, open(t, files, e, piece), append(content, bytes...))
	mustScan(t, open(t, files, unpinned), content)

	b.put(t, "binlog.000001", 1<<20)
	f := open(t, files, Extent{Key: e.Key, ETag: "0123456789abcdef0123456789abcdef", Size: 1 << 20})
	var damage *ObjectError
	if _, err := f.ReadAt(make([]byte, 100), 0); !errors.As(err, &damage) || !errors.Is(err, store.ErrCondition) || damage.Found == "" {
		t.Errorf("another object: %v", err)
	}
	missing := open(t, files, Extent{Key: "missing", Size: 100})
	if _, err := missing.ReadAt(make([]byte, 100), 0); !errors.As(err, &damage) || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a missing object: %v", err)
	}
}
