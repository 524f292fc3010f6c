package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/dir"
)

// bucket is a store in a directory that writes down what is asked of it, and does
// what a test wants to happen on the way.
type bucket struct {
	store.Store
	before func(ctx context.Context, key string, r store.Range) error // of each GET; nil = nothing
	body   func(io.ReadCloser) io.ReadCloser                          // of each GET; nil = as it is

	mu   sync.Mutex
	gets []get
}

type get struct {
	key string
	store.Range
}

func newBucket(t testing.TB) *bucket {
	t.Helper()
	d, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &bucket{Store: d}
}

func (b *bucket) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	b.mu.Lock()
	b.gets = append(b.gets, get{key, r})
	b.mu.Unlock()
	if b.before != nil {
		if err := b.before(ctx, key, r); err != nil {
			return nil, err
		}
	}
	body, err := b.Store.Get(ctx, key, r)
	if err == nil && b.body != nil {
		body.ReadCloser = b.body(body.ReadCloser)
	}
	return body, err
}

// asked gives the GETs since the last call.
func (b *bucket) asked() []get {
	b.mu.Lock()
	defer b.mu.Unlock()
	gets := b.gets
	b.gets = nil
	return gets
}

// put makes an object of size random bytes.
func (b *bucket) put(t testing.TB, key string, size int) (Extent, []byte) {
	t.Helper()
	content := make([]byte, size)
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32.32s", key))))
	random.Read(content)
	o, err := b.Put(context.Background(), key, content, store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return Extent{Key: key, ETag: o.ETag, Size: o.Size}, content
}

// openCache opens a cache that ends with the test.
func openCache(t testing.TB, dir string, limit int64, opts CacheOptions) *Cache {
	t.Helper()
	c, err := OpenCache(dir, limit, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func newFiles(t testing.TB, s Getter, c *Cache, opts Options) *Files {
	t.Helper()
	f := New(s, c, opts)
	t.Cleanup(func() { f.Close() })
	return f
}

func open(t testing.TB, files *Files, extents ...Extent) *File {
	t.Helper()
	f, err := tryOpen(files, extents...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func tryOpen(files *Files, extents ...Extent) (*File, error) {
	size := int64(0)
	for i := range extents {
		extents[i].Start = size
		size += extents[i].Size
	}
	return files.Open(context.Background(), extents, size)
}

// scan reads a file from its beginning to its end, and compares it.
func scan(f *File, want []byte) error {
	p := make([]byte, 192<<10)
	for off := int64(0); off < f.Size(); {
		n, err := f.ReadAt(p[:min(int64(len(p)), f.Size()-off)], off)
		if err != nil {
			return err
		}
		if !bytes.Equal(p[:n], want[off:off+int64(n)]) {
			return fmt.Errorf("the %d bytes at %d are not the object's", n, off)
		}
		off += int64(n)
	}
	return nil
}

func mustScan(t testing.TB, f *File, want []byte) {
	t.Helper()
	if err := scan(f, want); err != nil {
		t.Fatal(err)
	}
}
