package memstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// Store is a store in memory.
type Store struct {
	keep int // longest body that is kept

	mu      sync.Mutex // guards the rest
	objects map[string]object
	uploads map[string]*upload
}

// object is replaced as a whole, never changed.
type object struct {
	store.Object
	body []byte // nil of one that was forgotten
}

// New is an empty store that keeps bodies of at most keep bytes; 0 = all. To read
// another one is an error.
func New(keep int) *Store {
	return &Store{keep: keep, objects: map[string]object{}, uploads: map[string]*upload{}}
}

var _ store.Store = (*Store)(nil)

// Capabilities are what its probe finds.
var Capabilities = store.Capabilities{Sealing: store.SealByCopy, BodySums: true, WholeSums: true, ListUploads: true}

func (s *Store) String() string { return "memory:" }

// Close does nothing.
func (s *Store) Close() error { return nil }

// Put implements store.Objects.
func (s *Store) Put(ctx context.Context, key string, body []byte, opts store.PutOptions) (store.Object, error) {
	if err := errors.Join(check(ctx, key), store.CheckMeta(opts.Meta)); err != nil {
		return store.Object{}, &store.Error{Op: "put", Key: key, Cause: err}
	}
	sum := crc32c.Of(body)
	if opts.HasCRC && opts.CRC32C != sum {
		return store.Object{}, &store.Error{Op: "put", Key: key, Kind: store.ErrBadSum}
	}
	o := object{Object: store.Object{Key: key, Size: int64(len(body)), CRC32C: sum, HasCRC: true, Meta: maps.Clone(opts.Meta)}, body: s.kept(body)}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publishLocked(o, opts.If)
}

// kept is what is remembered of a body.
func (s *Store) kept(body []byte) []byte {
	if s.keep > 0 && len(body) > s.keep {
		return nil
	}
	return append([]byte{}, body...)
}

// publishLocked makes o what its key has, if the condition holds.
func (s *Store) publishLocked(o object, cond store.Condition) (store.Object, error) {
	if !cond.Holds(s.objects[o.Key].ETag) {
		return store.Object{}, &store.Error{Op: "write", Key: o.Key, Kind: store.ErrCondition}
	}
	o.ETag, o.Modified = rand.Text(), time.Now().UTC().Truncate(time.Second)
	s.objects[o.Key] = o
	return o.Object, nil
}

func (s *Store) find(op, key string) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return o, &store.Error{Op: op, Key: key, Kind: store.ErrNotFound}
	}
	return o, nil
}

// Get implements store.Objects.
func (s *Store) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	if err := check(ctx, key); err != nil {
		return nil, &store.Error{Op: "get", Key: key, Cause: err}
	}
	o, err := s.find("get", key)
	if err != nil {
		return nil, err
	}
	if r.IfMatch != "" && r.IfMatch != o.ETag {
		return nil, &store.Error{Op: "get", Key: key, Kind: store.ErrCondition}
	}
	offset, length, ok := r.Within(o.Size)
	if !ok {
		return nil, &store.Error{Op: "get", Key: key, Kind: store.ErrRange}
	}
	if o.body == nil {
		return nil, &store.Error{Op: "get", Key: key, Cause: errors.New("this store has forgotten the body")}
	}
	body := &reader{ctx: ctx, Reader: bytes.NewReader(o.body[offset : offset+length])}
	return store.NewBody(body, o.Object, length), nil
}

// reader is a body, which ends with the context of its Get.
type reader struct {
	io.Reader
	ctx context.Context
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (r *reader) Close() error { return nil }

// Head implements store.Objects.
func (s *Store) Head(ctx context.Context, key string) (store.Object, error) {
	if err := check(ctx, key); err != nil {
		return store.Object{}, &store.Error{Op: "head", Key: key, Cause: err}
	}
	o, err := s.find("head", key)
	return o.Object, err
}

// List implements store.Objects.
func (s *Store) List(ctx context.Context, prefix, after string, max int) (page store.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, &store.Error{Op: "list", Key: prefix, Cause: err}
	}
	if max <= 0 || max > 1000 {
		max = 1000
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		if len(page.Objects) == max {
			page.More = true
			break
		}
		o := s.objects[key].Object
		o.Meta, o.CRC32C, o.HasCRC = nil, 0, false
		page.Objects = append(page.Objects, o)
	}
	return page, nil
}

// Delete implements store.Objects.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return &store.Error{Op: "delete", Key: key, Cause: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func check(ctx context.Context, key string) error {
	return errors.Join(store.CheckKey(key), ctx.Err())
}
