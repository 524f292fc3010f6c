package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// copies says of objects that have another ETag than the catalog has whether they hold the
// file nevertheless: of a bucket that was copied, or one that was put in the place of a
// damaged one.
type copies struct {
	judging sync.Mutex           // held meanwhile, which may read all of an object
	mu      sync.Mutex           // guards what follows
	judged  map[string]judgement // by key
}

type judgement struct {
	etag  string
	holds bool
}

func (c *copies) known(key string) judgement {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.judged[key]
}

func (c *copies) note(key string, j judgement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.judged == nil {
		c.judged = map[string]judgement{}
	}
	c.judged[key] = j
}

// etag is the one under which a file's object is to be read.
func (c *copies) etag(key, listed string) string {
	if j := c.known(key); j.holds {
		return j.etag
	}
	return listed
}

// storedHandle reads the object of a sealed file. Where that is another one than the catalog
// names it is read on only after size and CRC32C have proved it to be the file.
type storedHandle struct {
	archive  *Archive
	file     File
	timeline catalog.Timeline
	ctx      context.Context // until Close
	cancel   context.CancelFunc

	mu  sync.Mutex // held while now is replaced
	now atomic.Pointer[objectsHandle]
	old *objectsHandle // now, before it was replaced
}

// openStored opens a sealed file's object. It asks the bucket nothing yet.
func (a *Archive) openStored(f File) (openHandle, error) {
	if a.opts.Remote == nil || f.stored.size == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNotLocal, f.Name)
	}
	s := &storedHandle{archive: a, file: f, timeline: a.timeline()}
	h, err := s.open(a.copies.etag(s.key(), f.stored.etag))
	if err != nil {
		return nil, err
	}
	s.now.Store(h)
	s.ctx, s.cancel = context.WithCancel(context.Background()) // Close ends it
	return s, nil
}

func (s *storedHandle) key() string {
	return s.archive.opts.Bucket.FileKey(s.timeline, s.file.Name)
}

func (s *storedHandle) open(etag string) (*objectsHandle, error) {
	size := s.file.stored.size
	return openObjects(s.archive.opts.Remote, []object{{to: size, key: s.key(), etag: etag, size: size}})
}

func (s *storedHandle) ReadAt(p []byte, off int64) (int, error) {
	h := s.now.Load()
	n, err := h.ReadAt(p, off)
	if !errors.As(err, new(*DamageError)) {
		return n, err
	}
	replaced, proveErr := s.replace(h)
	if proveErr != nil {
		return n, &RemoteError{Key: s.key(), Err: proveErr}
	}
	if replaced == nil {
		return n, err
	}
	return replaced.ReadAt(p, off)
}

// replace gives what is to be read instead of h; nil if that is not the file.
func (s *storedHandle) replace(h *objectsHandle) (*objectsHandle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now.Load(); now != h {
		return now, nil
	}
	if s.old != nil {
		return nil, nil
	}
	etag, err := s.judge(h.objects[0].etag)
	if etag == "" || err != nil {
		return nil, err
	}
	next, err := s.open(etag)
	if err == nil {
		s.old = h
		s.now.Store(next)
	}
	return next, err
}

// judge gives the ETag of an object that is another than the one that was read, and holds
// the file; "" if it does not.
func (s *storedHandle) judge(read string) (string, error) {
	c, b := &s.archive.copies, s.archive.opts.Bucket
	c.judging.Lock()
	defer c.judging.Unlock()
	object, err := b.FileObject(s.ctx, s.timeline, s.file.Name)
	if errors.Is(err, store.ErrNotFound) || err == nil && object.ETag == read {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	j := c.known(s.key())
	if j.etag != object.ETag {
		j.etag = object.ETag
		if j.holds, err = b.Holds(s.ctx, object, s.file.stored.size, uint32(s.file.stored.crc)); err != nil {
			return "", err
		}
		c.note(s.key(), j)
		s.archive.logger.Warn("an object of the bucket is another than the catalog names", "key", s.key(), "is_the_file", j.holds)
	}
	if !j.holds {
		return "", nil
	}
	return j.etag, nil
}

func (s *storedHandle) source(off int64) (string, bool) { return s.now.Load().source(off) }

func (s *storedHandle) forget(off, n int64) { s.now.Load().forget(off, n) }

func (s *storedHandle) Close() error {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.now.Load().Close()
	if s.old != nil {
		err = errors.Join(err, s.old.Close())
	}
	return err
}
