package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// fetch brings blocks that follow each other in an object, in order, with one GET
// and as many more as that breaks off. It lives as long as a reader is interested in
// it; without one it ends with the block that it is in, at the latest after linger.
type fetch struct {
	files  *Files
	object *object
	cancel context.CancelFunc

	// Of the goroutine.
	blocks []*block  // still to come, each held
	since  time.Time // when the first of them had its buffer and was asked for
	whole  bool      // the GET under way is of all of the object

	// Guarded by Cache.mu.
	owner   *File
	readers map[*File]struct{}
	linger  *time.Timer // runs while there are none; nil = never was
}

// linger is how long a fetch may take to end its block for nobody. What a reader
// wants that comes next is then there already.
const linger = time.Second

// fetchLocked starts a fetch of n blocks that are not in memory, for f. It returns
// the first.
func (fs *Files) fetchLocked(f *File, first blockID, n int64) *block {
	c := fs.cache
	t := &fetch{files: fs, object: first.object, owner: f, readers: map[*File]struct{}{}}
	for id := first; id.index < first.index+n; id.index++ {
		b := c.addLocked(id)
		b.fetch = t
		t.blocks = append(t.blocks, b)
	}
	c.stats.Misses += n
	f.joinLocked(t)
	b := t.blocks[0]
	fs.startLocked(t)
	return b
}

// loadLocked lets a block come from the disk, or from the store if that fails.
func (fs *Files) loadLocked(f *File, id blockID) *block {
	b := fs.cache.addLocked(id)
	fs.work.Go(func() { fs.load(f, b) })
	return b
}

func (fs *Files) startLocked(t *fetch) {
	ctx, cancel := context.WithCancel(fs.running)
	t.cancel = cancel
	fs.work.Go(func() {
		defer cancel()
		t.end(t.run(ctx))
	})
}

func (fs *Files) load(f *File, b *block) {
	c := fs.cache
	buf, err := c.buffer(fs.running, b.class)
	read := err == nil && c.readBlock(b.id, buf)
	c.mu.Lock()
	defer c.mu.Unlock()
	b.buf = buf
	switch {
	case err != nil || fs.closed:
		c.failLocked(b, closedError("read"))
	case read:
		b.filled = b.size
		b.changedLocked()
		c.dropLocked(b)
	default:
		c.stats.Misses++
		b.fetch = &fetch{files: fs, object: b.id.object, blocks: []*block{b}, owner: f, readers: map[*File]struct{}{}}
		f.joinLocked(b.fetch)
		fs.startLocked(b.fetch)
	}
}

// joinLocked keeps t going for f.
func (f *File) joinLocked(t *fetch) {
	if _, in := t.readers[f]; in || f.closed {
		return
	}
	if t.owner != f {
		f.files.cache.stats.Shared++
	}
	t.readers[f] = struct{}{}
	f.fetches[t] = struct{}{}
	if t.linger != nil {
		t.linger.Stop()
	}
}

// leaveLocked ends f's interest in all fetches.
func (f *File) leaveLocked() {
	for t := range f.fetches {
		delete(t.readers, f)
		if len(t.readers) == 0 {
			t.linger = time.AfterFunc(linger, t.cancelAbandoned)
		}
	}
	clear(f.fetches)
}

func (t *fetch) cancelAbandoned() {
	t.files.cache.mu.Lock()
	defer t.files.cache.mu.Unlock()
	if len(t.readers) == 0 {
		t.cancel()
	}
}

// end fails what has not come, and lets the readers go.
func (t *fetch) end(err error) {
	c := t.files.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range t.blocks {
		c.failLocked(b, err)
	}
	for f := range t.readers {
		delete(f.fetches, t)
	}
	if t.linger != nil {
		t.linger.Stop()
	}
}

// run brings all blocks. It repeats what may pass, for as long as Patience allows
// for each block.
func (t *fetch) run(ctx context.Context) error {
	for try := 0; ; try++ {
		left := len(t.blocks)
		err := t.attempt(ctx)
		if len(t.blocks) < left {
			try = 0
		}
		if missed(err) {
			err = t.object.differs(ctx, t.files.opts.Patience/3, err)
		}
		if errors.Is(err, store.ErrBadSum) {
			err = t.object.rotten(err)
		}
		switch {
		case err == nil || errors.Is(err, errAbandoned):
			return err
		case t.files.running.Err() != nil:
			return closedError("read")
		case ctx.Err() != nil:
			return errAbandoned
		case !store.Temporary(err):
			return err
		}
		wait := t.wait(try)
		if time.Since(t.since)+wait >= t.files.opts.Patience {
			return fmt.Errorf("%s could not be read for %s: %w", t.object.key, t.files.opts.Patience, err)
		}
		t.files.count(func(s *Stats) { s.Retries++ })
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// missed says that the store has not the object that was asked for.
func missed(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCondition) || errors.Is(err, store.ErrRange)
}

// wait is how long to wait before the next try: at first up to 0.1 s, at last up to
// 5 s, and at least half of that.
func (t *fetch) wait(try int) time.Duration {
	most := min(100*time.Millisecond<<min(try, 10), 5*time.Second)
	return most/2 + time.Duration(float64(most/2)*t.files.opts.Rand())
}

// attempt is one GET. It takes the blocks that it completes off the list.
func (t *fetch) attempt(ctx context.Context) error {
	if err := t.buffer(ctx); err != nil {
		return err
	}
	watch := newWatch(ctx, t.files.opts.Patience, t.since)
	defer watch.stop()
	body, err := t.get(watch.ctx)
	if err != nil {
		return watch.explain(t.object.key, err)
	}
	defer body.Close()
	for {
		if err := t.fill(t.blocks[0], body, watch); err != nil {
			return watch.explain(t.object.key, err)
		}
		if err := t.proven(body); err != nil {
			return err
		}
		watch.pause()
		if err := t.completed(); err != nil || len(t.blocks) == 0 {
			return err
		}
		if err := t.buffer(ctx); err != nil {
			return err
		}
		watch.restart(t.since)
	}
}

// buffer makes sure that the next block has one. Waiting for it is not the store's
// time.
func (t *fetch) buffer(ctx context.Context) error {
	b := t.blocks[0]
	if b.buf != nil {
		if t.since.IsZero() { // a load from the disk came before
			t.since = time.Now()
		}
		return nil
	}
	buf, err := t.files.cache.buffer(ctx, b.class)
	if err != nil {
		return err
	}
	t.files.cache.give(b, buf)
	t.since = time.Now()
	return nil
}

// get asks for all that is still to come.
func (t *fetch) get(ctx context.Context) (*store.Body, error) {
	first, last := t.blocks[0], t.blocks[len(t.blocks)-1]
	r := store.Range{Offset: first.id.start() + int64(first.filled)}
	r.Length = last.id.end() - r.Offset
	t.whole = r.Length == t.object.size
	t.files.count(func(s *Stats) {
		s.Requests++
		r.IfMatch = t.object.pin
	})
	body, err := t.files.store.Get(ctx, t.object.key, r)
	if err != nil {
		return nil, err
	}
	if err := t.object.check(body.Object); err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return body, nil
}

// readStep is how many bytes are read before readers are told of them.
const readStep = 64 << 10

// fill reads the rest of a block.
func (t *fetch) fill(b *block, body io.Reader, watch *watch) error {
	for !b.whole() {
		n, err := body.Read(b.buf[b.filled:min(b.size, b.filled+readStep)])
		if n > 0 {
			watch.progress()
			t.files.count(func(s *Stats) {
				s.BytesFetched += int64(n)
				b.filled += n
				b.changedLocked()
			})
		}
		if b.whole() && !errors.Is(err, store.ErrBadSum) {
			return nil
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// proven looks at the end of a whole object, where a store knows its sum. It comes
// too late for readers that had its bytes, but not for the cache.
func (t *fetch) proven(body io.Reader) error {
	if !t.whole || len(t.blocks) > 1 {
		return nil
	}
	if _, err := body.Read(make([]byte, 1)); errors.Is(err, store.ErrBadSum) {
		return err
	}
	return nil
}

// completed takes the block that is whole off the list, and ends the fetch where
// nobody waits for more.
func (t *fetch) completed() error {
	c, b := t.files.cache, t.blocks[0]
	c.keep(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	t.blocks = t.blocks[1:]
	b.fetch = nil
	c.dropLocked(b)
	if len(t.readers) == 0 {
		return errAbandoned
	}
	return nil
}

// count changes counters, and what else belongs to the same moment.
func (fs *Files) count(change func(*Stats)) {
	fs.cache.mu.Lock()
	defer fs.cache.mu.Unlock()
	change(&fs.cache.stats)
}
