package bucket

import (
	"context"
	"sync"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// segments are the segments of catalogs that were read, so that a writer who takes over need
// not read again what the log was made of. One that is listed with the same ETag has the same
// bytes. catalog/open is not among them: it changes, and a listing may be older than it.
type segments struct {
	mu   sync.Mutex
	read map[string]readSegment // by key
}

type readSegment struct {
	etag string
	list catalog.List // not to be changed
}

func (s *segments) find(object store.Object) (catalog.List, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.read[object.Key]
	return held.list, ok && held.etag == object.ETag
}

func (s *segments) add(key, etag string, list catalog.List) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read == nil {
		s.read = map[string]readSegment{}
	}
	s.read[key] = readSegment{etag, list}
}

// forget is for when a writer has them.
func (s *segments) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = nil
}

// listOf gives the part of the catalog that a listed object has, and its ETag.
func (b *Bucket) listOf(ctx context.Context, object store.Object, t catalog.Timeline) (catalog.List, string, error) {
	if list, ok := b.segments.find(object); ok {
		return list, object.ETag, nil
	}
	list, etag, err := b.readList(ctx, object.Key, t)
	if err == nil && object.Key != b.CatalogKey(t) {
		b.segments.add(object.Key, etag, list)
	}
	return list, etag, err
}
