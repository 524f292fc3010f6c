package remote

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// readHead reads what opening a binlog file reads.
func readHead(files *Files, e Extent) error {
	f, err := tryOpen(files, e)
	if err != nil {
		return err
	}
	defer f.Close()
	for off := int64(0); off < 200; off += 50 {
		if _, err := f.ReadAt(make([]byte, 50), off); err != nil {
			return err
		}
	}
	return nil
}

func TestAThousandHeadsOfOneFileCostOneSmallRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.before = func(context.Context, string, store.Range) error { time.Sleep(20 * time.Millisecond); return nil }
		e, _ := b.put(t, "binlog.000001", 1<<20)
		files := newFiles(t, b, openCache(t, t.TempDir(), 64<<20, CacheOptions{}), Options{})
		var readers sync.WaitGroup
		for range 1000 {
			readers.Go(func() {
				if err := readHead(files, e); err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		if gets := b.asked(); len(gets) != 1 || gets[0].Length != HeadSize {
			t.Errorf("asked for %+v, want one head", gets)
		}
	})
}

// Heads have their own part of the cache: who reads through a large file does not
// evict them.
func TestTheHeadOfEachFileCostsOneRequestOnceAndNoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		files := newFiles(t, b, openCache(t, t.TempDir(), 256<<20, CacheOptions{Memory: leastMemory}), Options{})
		extents := make([]Extent, 200)
		for i := range extents {
			extents[i], _ = b.put(t, fmt.Sprintf("binlog.%06d", i), HeadSize+1)
		}
		large, content := b.put(t, "large", 16<<20)
		heads := func() int {
			for _, e := range extents {
				if err := readHead(files, e); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // until it is on disk
			}
			return len(b.asked())
		}
		if n := heads(); n != len(extents) {
			t.Errorf("%d requests at first", n)
		}
		mustScan(t, open(t, files, large), content)
		b.asked()
		if n := heads(); n != 0 {
			t.Errorf("%d requests again", n)
		}
	})
}

func TestReadingHereAndThereFetchesLittleMoreThanItsBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, _ := b.put(t, "binlog.000001", 32<<20)
		c := openCache(t, "", 0, CacheOptions{})
		f := open(t, newFiles(t, b, c, Options{}), e)
		for _, off := range []int64{16 << 20, 8 << 20, 12 << 20, 10 << 20, 11 << 20} {
			if _, err := f.ReadAt(make([]byte, 1000), off); err != nil {
				t.Fatal(err)
			}
		}
		if gets, fetched := len(b.asked()), c.Stats().BytesFetched; gets != 5 || fetched > 5*BlockSize {
			t.Errorf("%d requests, %d bytes", gets, fetched)
		}
	})
}

func TestReadingThroughAFileTakesFewRequestsAndEachByteOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		e, content := b.put(t, "binlog.000001", 32<<20)
		c := openCache(t, t.TempDir(), 256<<20, CacheOptions{})
		files := newFiles(t, b, c, Options{})
		f := open(t, files, e)
		mustScan(t, f, content)
		f.Close()
		if n := len(b.asked()); n > 32/8+8 {
			t.Errorf("%d requests for 32 MiB", n)
		}
		if got := c.Stats().BytesFetched; got != 32<<20 {
			t.Errorf("fetched %d bytes", got)
		}
		synctest.Wait()
		mustScan(t, open(t, files, e), content)
		if n := len(b.asked()); n != 0 {
			t.Errorf("%d requests for what is on disk", n)
		}
	})
}

func TestFiftyReadersFetchEachByteOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.before = func(context.Context, string, store.Range) error { time.Sleep(20 * time.Millisecond); return nil }
		e, content := b.put(t, "binlog.000001", 3<<20)
		c := openCache(t, t.TempDir(), 128<<20, CacheOptions{})
		files := newFiles(t, b, c, Options{})
		var readers sync.WaitGroup
		for range 50 {
			f := open(t, files, e)
			readers.Go(func() { mustScan(t, f, content) })
		}
		readers.Wait()
		if s := c.Stats(); s.BytesFetched != 3<<20 || s.Shared == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// The first bytes come before the block does.
func TestAReaderGetsItsBytesWhileTheBlockIsStillComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		release := make(chan struct{})
		b.body = func(r io.ReadCloser) io.ReadCloser { return &gate{ReadCloser: r, free: 4096, open: release} }
		e, content := b.put(t, "binlog.000001", 1<<20)
		f := open(t, newFiles(t, b, openCache(t, "", 0, CacheOptions{}), Options{}), e)
		p := make([]byte, 4096)
		if _, err := f.ReadAt(p, 100000); err != nil || string(p[:100]) != string(content[100000:100100]) {
			t.Errorf("%v", err)
		}
		close(release)
		if _, err := f.ReadAt(p, 200000); err != nil || string(p) != string(content[200000:204096]) {
			t.Errorf("%v", err)
		}
	})
}

// gate lets so many bytes pass behind the block's beginning, and the rest when it opens.
type gate struct {
	io.ReadCloser
	free int
	open chan struct{}
}

func (g *gate) Read(p []byte) (int, error) {
	const skipped = 100000 - HeadSize
	if left := skipped + g.free; left > 0 {
		n, err := g.ReadCloser.Read(p[:min(len(p), left)])
		g.free -= n
		return n, err
	}
	<-g.open
	return g.ReadCloser.Read(p)
}

// Pieces of an open file, and the file behind it, are read ahead of who gets there.
func TestReadingAheadCrossesObjectsAndFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		var pieces []Extent
		var content []byte
		for i := range 20 {
			e, bytes := b.put(t, fmt.Sprintf("piece-%02d", i), 300<<10)
			pieces, content = append(pieces, e), append(content, bytes...)
		}
		behind, bytes := b.put(t, "binlog.000002", 2<<20)
		files := newFiles(t, b, openCache(t, t.TempDir(), 256<<20, CacheOptions{}), Options{})
		f, next := open(t, files, pieces...), open(t, files, behind)
		f.Next(next)
		mustScan(t, f, content)
		synctest.Wait()
		b.asked()
		mustScan(t, next, bytes)
		if n := len(b.asked()); n != 0 {
			t.Errorf("%d requests for the next file, which was read ahead", n)
		}
	})
}
