package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Whatever store and disk do, a read gives the bytes of the object or an error that
// may pass. rapid prints the seeds of a failure.
func TestEveryReadGivesTheObjectsBytesOrAnError(t *testing.T) {
	b := newBucket(t)
	var extents []Extent
	var content []byte
	for i, size := range []int{1, HeadSize, HeadSize + 1, BlockSize, 3*BlockSize + 7, 500} {
		e, bytes := b.put(t, string(rune('a'+i)), size)
		if i%2 == 0 {
			e.ETag = ""
		}
		extents, content = append(extents, e), append(content, bytes...)
	}
	rapid.Check(t, func(r *rapid.T) {
		run := faultyRun{
			dice:    newDice(rapid.Uint64().Draw(r, "seed")),
			limit:   rapid.Int64Range(0, 16).Draw(r, "limit") * BlockSize,
			readers: rapid.IntRange(1, 3).Draw(r, "readers"),
			extents: extents,
			content: content,
		}
		var err error
		synctest.Test(t, func(t *testing.T) { err = run.read(b, t.TempDir()) })
		if err != nil {
			r.Fatal(err)
		}
	})
}

// dice are random numbers for several goroutines.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{random: rand.New(rand.NewPCG(seed, 0))} }

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

func (d *dice) chance(percent int) bool { return d.below(100) < percent }

// faultyRun is some readers on a store and a disk that fail at random.
type faultyRun struct {
	*dice
	limit   int64 // of the cache
	readers int
	extents []Extent
	content []byte
}

func (run *faultyRun) read(b *bucket, dir string) error {
	b.before = func(context.Context, string, store.Range) error {
		if run.chance(20) {
			return errUnreachable
		}
		return nil
	}
	b.body = func(body io.ReadCloser) io.ReadCloser { return &torn{body, run.below(BlockSize * 3 / 2)} }
	c, err := OpenCache(dir, run.limit, CacheOptions{OpenFile: func(path string) (Device, error) {
		d, err := openEmpty(path)
		return &unreliable{d, func() bool { return run.chance(5) }}, err
	}})
	if err != nil {
		return err
	}
	files := New(b, c, Options{Patience: 5 * time.Second, Rand: func() float64 { return 0 }})
	errs := make([]error, run.readers)
	var readers sync.WaitGroup
	for i := range errs {
		readers.Go(func() { errs[i] = run.reader(files) })
	}
	readers.Wait()
	return errors.Join(errors.Join(errs...), files.Close(), c.Close())
}

func (run *faultyRun) reader(files *Files) error {
	f, err := tryOpen(files, slices.Clone(run.extents)...)
	if err != nil {
		return err
	}
	defer f.Close()
	off := 0
	for range 5 {
		if run.chance(50) {
			off = run.below(len(run.content))
		}
		p := make([]byte, 1+run.below(200<<10))
		n, err := f.ReadAt(p, int64(off))
		if err := judge(p, n, run.content[off:], err); err != nil {
			return fmt.Errorf("reading %d bytes at %d: %w", len(p), off, err)
		}
		off = (off + n) % len(run.content)
	}
	return nil
}

// judge says what is wrong with the answer of a ReadAt where rest is from its offset
// to the end of the file.
func judge(p []byte, n int, rest []byte, err error) error {
	want := rest[:min(len(p), len(rest))]
	switch {
	case n > len(want) || !bytes.Equal(p[:n], want[:n]):
		return fmt.Errorf("the %d bytes are not the object's", n)
	case n == len(p) && err != nil, n < len(p) && err == nil:
		return fmt.Errorf("%d bytes with the error %w", n, err)
	case n < len(want) && !store.Temporary(err), n == len(want) && n < len(p) && err != io.EOF:
		return fmt.Errorf("%d bytes of %d with the error %w", n, len(want), err)
	}
	return nil
}
