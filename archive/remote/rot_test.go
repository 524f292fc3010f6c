package remote

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

// flip lets an object have another byte than its sum says, until unflip.
func flip(s *faultstore.Store, key string, at int) (unflip func()) {
	var healed atomic.Bool
	s.Rot(key, func(p []byte) []byte {
		if !healed.Load() {
			p = bytes.Clone(p)
			p[at] ^= 1
		}
		return p
	})
	return func() { healed.Store(true) }
}

// Who finds bytes wrong reads them again from the store before it is damage.
func TestWhatIsForgottenIsFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, content := b.put(t, "binlog.000001", 4<<20)
		s := faultstore.New(b, 1)
		c := openCache(t, t.TempDir(), 64<<20, CacheOptions{})
		f := open(t, newFiles(t, s, c, Options{}), e)
		unflip := flip(s, e.Key, 1<<20)
		if err := scan(f, content); err == nil {
			t.Fatal("the damage was not read")
		}
		unflip()
		synctest.Wait()
		if err := scan(f, content); err == nil {
			t.Fatal("the damaged block was not cached")
		}
		before := c.Stats().BytesFetched
		f.Forget(1<<20, 1)
		for range 2 {
			mustScan(t, f, content)
		}
		synctest.Wait()
		if fetched := c.Stats().BytesFetched - before; fetched < BlockSize || fetched > e.Size {
			t.Errorf("fetched %d bytes", fetched)
		}
	})
}

// A store that knows the sum of an object says at its end that the bytes were others:
// they are not cached, and the second time the object is damaged.
func TestAnObjectThatHasNotItsSumIsNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, content := b.put(t, "piece", HeadSize)
		s := faultstore.New(b, 1)
		c := openCache(t, t.TempDir(), 64<<20, CacheOptions{})
		f := open(t, newFiles(t, s, c, Options{}), e)
		unflip := flip(s, e.Key, 5000)
		for i := range 2 {
			p := make([]byte, HeadSize)
			_, err := f.ReadAt(p, 0)
			if err == nil && bytes.Equal(p, content) {
				t.Error("the damage was not read")
			}
			var damage *ObjectError
			if err != nil && (!errors.Is(err, store.ErrBadSum) || errors.As(err, &damage) != (i > 0)) {
				t.Errorf("reading %d: %v", i, err)
			}
			synctest.Wait()
			if n := c.Stats().BytesOnDisk; n != 0 {
				t.Errorf("%d bytes of it were cached", n)
			}
		}
		unflip()
		mustScan(t, f, content)
	})
}
