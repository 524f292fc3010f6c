package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

var errUnreachable = &store.Error{Op: "get", Kind: store.ErrTemporary}

// torn ends a body early.
type torn struct {
	io.ReadCloser
	left int
}

func (b *torn) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func TestABrokenBodyIsResumedWithTheSamePin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, content := b.put(t, "binlog.000001", 2<<20)
		b.body = func(r io.ReadCloser) io.ReadCloser { return &torn{r, 100 << 10} }
		c := openCache(t, "", 0, CacheOptions{})
		mustScan(t, open(t, newFiles(t, b, c, Options{}), e), content)
		for _, g := range b.asked() {
			if g.IfMatch != e.ETag {
				t.Errorf("asked for %+v without the pin", g)
			}
		}
		if s := c.Stats(); s.BytesFetched != e.Size || s.Retries == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A store that is away, or hangs, is waited for as long as it was said, and what
// comes then is no damage.
func TestATemporaryErrorEndsWithPatience(t *testing.T) {
	const patience = 12 * time.Second
	away := func(context.Context, string, store.Range) error { return errUnreachable }
	hangs := func(ctx context.Context, _ string, _ store.Range) error { <-ctx.Done(); return ctx.Err() }
	for name, before := range map[string]func(context.Context, string, store.Range) error{"away": away, "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBucket(t)
				e, content := b.put(t, "binlog.000001", 1<<20)
				f := open(t, newFiles(t, b, openCache(t, "", 0, CacheOptions{}), Options{Patience: patience}), e)
				b.before = before
				begin := time.Now()
				_, err := f.ReadAt(make([]byte, 100), 0)
				var object *ObjectError
				if took := time.Since(begin); !store.Temporary(err) || errors.As(err, &object) || took > patience || took < patience/2 {
					t.Errorf("%v after %s", err, took)
				}
				b.before = nil
				mustScan(t, f, content)
			})
		})
	}
}

// dripping gives a byte each second.
type dripping struct{ io.ReadCloser }

func (d dripping) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return d.ReadCloser.Read(p[:1])
}

func TestABlockThatDripsEndsWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, _ := b.put(t, "binlog.000001", 1<<20)
		b.body = func(r io.ReadCloser) io.ReadCloser { return dripping{r} }
		f := open(t, newFiles(t, b, openCache(t, "", 0, CacheOptions{}), Options{Patience: time.Minute}), e)
		begin := time.Now()
		_, err := f.ReadAt(make([]byte, 4096), 0)
		if took := time.Since(begin); !store.Temporary(err) || took > time.Minute+time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}

// What the operator has to set right is said at once, and is no damage.
func TestARefusalIsSaidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, _ := b.put(t, "binlog.000001", 1<<20)
		b.before = func(context.Context, string, store.Range) error {
			return &store.Error{Op: "get", Kind: store.ErrCredentials}
		}
		f := open(t, newFiles(t, b, openCache(t, "", 0, CacheOptions{}), Options{}), e)
		if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, store.ErrCredentials) || len(b.asked()) != 1 {
			t.Errorf("%v", err)
		}
	})
}

// deaf is a store that ignores pins.
type deaf struct{ *bucket }

func (d deaf) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	r.IfMatch = ""
	return d.bucket.Get(ctx, key, r)
}

func TestAnObjectThatIsNotThePinnedOneIsDamage(t *testing.T) {
	replace := func(t *testing.T, b *bucket, key string) { b.put(t, key, 3<<20) }
	remove := func(t *testing.T, b *bucket, key string) {
		if err := b.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	truncate := func(t *testing.T, b *bucket, key string) { b.put(t, key, 100) }
	for name, test := range map[string]struct {
		harm   func(*testing.T, *bucket, string)
		pinned bool // by the caller
		deaf   bool
	}{
		"replaced":                       {replace, true, false},
		"replaced, pinned by itself":     {replace, false, false},
		"replaced, in a deaf store":      {replace, true, true},
		"deleted":                        {remove, true, false},
		"deleted, pinned by itself":      {remove, false, false},
		"truncated":                      {truncate, true, false},
		"truncated, pinned by itself":    {truncate, false, false},
		"truncated, in a deaf store":     {truncate, true, true},
		"truncated, deaf, pinned itself": {truncate, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBucket(t)
				e, content := b.put(t, "binlog.000001", 3<<20)
				etag := e.ETag
				if !test.pinned {
					e.ETag = ""
				}
				var s Getter = b
				if test.deaf {
					s = deaf{b}
				}
				files := newFiles(t, s, openCache(t, "", 0, CacheOptions{}), Options{})
				f := open(t, files, e)
				p := make([]byte, 1000)
				if _, err := f.ReadAt(p, 0); err != nil {
					t.Fatal(err)
				}
				test.harm(t, b, e.Key)
				var damage *ObjectError
				if _, err := f.ReadAt(p, 2<<20); !errors.As(err, &damage) || damage.Key != e.Key || damage.Expected != etag || damage.Found == etag {
					t.Errorf("%v", err)
				}
				if _, err := f.ReadAt(p, 0); err != nil || !bytes.Equal(p, content[:1000]) {
					t.Errorf("what was read before: %v", err)
				}
			})
		})
	}
}

// A sealed file that was a leftover may be replaced. Who opens it afterwards begins
// anew, with the new content from the first byte on.
func TestAFileOpenedBehindAReplacementReadsTheNewObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, _ := b.put(t, "binlog.000001", 1<<20)
		e.ETag = ""
		files := newFiles(t, b, openCache(t, t.TempDir(), 64<<20, CacheOptions{}), Options{})
		f := open(t, files, e)
		if _, err := f.ReadAt(make([]byte, 100), 0); err != nil {
			t.Fatal(err)
		}
		content := bytes.Repeat([]byte("new!"), 1<<18)
		if _, err := b.Put(t.Context(), e.Key, content, store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(make([]byte, 100), 500000); err == nil {
			t.Error("the old file goes on in the new object")
		}
		mustScan(t, open(t, files, e), content)
	})
}

// One answer that there is no such object, which the next one contradicts, is not
// damage.
func TestAPassingNotFoundIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, content := b.put(t, "binlog.000001", 1<<20)
		var once sync.Once
		b.before = func(context.Context, string, store.Range) (err error) {
			once.Do(func() { err = &store.Error{Op: "get", Kind: store.ErrNotFound} })
			return err
		}
		mustScan(t, open(t, newFiles(t, b, openCache(t, "", 0, CacheOptions{}), Options{}), e), content)
	})
}

func TestTheLastReaderThatGoesEndsTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, _ := b.put(t, "binlog.000001", 1<<20)
		var ended atomic.Bool
		b.before = func(ctx context.Context, _ string, _ store.Range) error {
			<-ctx.Done()
			ended.Store(true)
			return ctx.Err()
		}
		files := newFiles(t, b, openCache(t, "", 0, CacheOptions{}), Options{Patience: time.Hour})
		first, second := open(t, files, e), open(t, files, e)
		var reads sync.WaitGroup
		for _, f := range []*File{first, second} {
			reads.Go(func() {
				if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		first.Close()
		time.Sleep(time.Minute)
		if ended.Load() {
			t.Error("the fetch has ended although somebody waits for it")
		}
		second.Close()
		reads.Wait()
		time.Sleep(2 * linger)
		synctest.Wait()
		if !ended.Load() {
			t.Error("the fetch goes on although nobody waits for it")
		}
		if n := len(b.asked()); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestCloseEndsEveryReadAndIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, _ := b.put(t, "binlog.000001", 1<<20)
		b.before = func(ctx context.Context, _ string, _ store.Range) error { <-ctx.Done(); return ctx.Err() }
		c := openCache(t, t.TempDir(), 64<<20, CacheOptions{})
		files := newFiles(t, b, c, Options{})
		f := open(t, files, e)
		var read sync.WaitGroup
		read.Go(func() {
			if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%v", err)
			}
		})
		synctest.Wait()
		for range 2 {
			if err := errors.Join(files.Close(), f.Close(), c.Close()); err != nil {
				t.Error(err)
			}
		}
		read.Wait()
		if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("behind Close: %v", err)
		}
		if _, err := tryOpen(files, e); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("behind Close: %v", err)
		}
	})
}

func TestAReadEndsWithTheContextOfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, _ := b.put(t, "binlog.000001", 1<<20)
		b.before = func(ctx context.Context, _ string, _ store.Range) error { <-ctx.Done(); return ctx.Err() }
		files := newFiles(t, b, openCache(t, "", 0, CacheOptions{}), Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		f, err := files.Open(ctx, []Extent{e}, e.Size)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
