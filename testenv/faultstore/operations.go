package faultstore

import (
	"context"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

var _ store.Store = (*Store)(nil)

// Put implements store.Objects.
func (s *Store) Put(ctx context.Context, key string, body []byte, opts store.PutOptions) (store.Object, error) {
	return call(ctx, s, Put, key, int64(len(body)), func(rule *Rule) (store.Object, error) {
		if rule.fault() == IgnoredCondition {
			opts.If = store.Condition{}
		}
		object, err := s.inner.Put(ctx, key, body, opts)
		if err == nil {
			s.saw(key, object.ETag)
			s.heal(key)
		}
		return object, err
	})
}

// Get implements store.Objects.
func (s *Store) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	return call(ctx, s, Get, key, 0, func(rule *Rule) (*store.Body, error) {
		body, err := s.open(ctx, key, r)
		if err != nil {
			return nil, err
		}
		if rule.fault() == StaleETag {
			body.Object.ETag = s.staleETag(key, body.Object.ETag)
		}
		return s.spoil(ctx, body, rule), nil
	})
}

// Head implements store.Objects.
func (s *Store) Head(ctx context.Context, key string) (store.Object, error) {
	return call(ctx, s, Head, key, 0, func(rule *Rule) (store.Object, error) {
		object, err := s.inner.Head(ctx, key)
		if err == nil && rule.fault() == StaleETag {
			object.ETag = s.staleETag(key, object.ETag)
		}
		return object, err
	})
}

// List implements store.Objects.
func (s *Store) List(ctx context.Context, prefix, after string, max int) (store.Page, error) {
	return call(ctx, s, List, prefix, 0, func(rule *Rule) (store.Page, error) {
		page, err := s.inner.List(ctx, prefix, after, max)
		switch rule.fault() {
		case Holes:
			page.Objects = slices.DeleteFunc(page.Objects, func(store.Object) bool { return s.below(2) == 0 })
		case StaleETag:
			for i := range page.Objects {
				page.Objects[i].ETag = s.staleETag(page.Objects[i].Key, page.Objects[i].ETag)
			}
		}
		return page, err
	})
}

// Delete implements store.Objects.
func (s *Store) Delete(ctx context.Context, key string) error {
	_, err := call(ctx, s, Delete, key, 0, func(*Rule) (struct{}, error) { return struct{}{}, s.inner.Delete(ctx, key) })
	return err
}

// CreateUpload implements store.Uploads.
func (s *Store) CreateUpload(ctx context.Context, key string, opts store.UploadOptions) (store.Upload, error) {
	return call(ctx, s, CreateUpload, key, 0, func(*Rule) (store.Upload, error) { return s.inner.CreateUpload(ctx, key, opts) })
}

// PutPart implements store.Uploads.
func (s *Store) PutPart(ctx context.Context, u store.Upload, number int, body []byte) (store.Part, error) {
	return call(ctx, s, PutPart, u.Key, int64(len(body)), func(*Rule) (store.Part, error) {
		return s.inner.PutPart(ctx, u, number, body)
	})
}

// CopyPart implements store.Uploads. Its bytes do not come by the line.
func (s *Store) CopyPart(ctx context.Context, u store.Upload, number int, from store.Object) (store.Part, error) {
	return call(ctx, s, CopyPart, u.Key, 0, func(*Rule) (store.Part, error) {
		part, err := s.inner.CopyPart(ctx, u, number, from)
		if err == nil {
			s.received(CopyPart, int(part.Size))
		}
		return part, err
	})
}

// CompleteUpload implements store.Uploads.
func (s *Store) CompleteUpload(ctx context.Context, u store.Upload, parts []store.Part, opts store.CompleteOptions) (store.Object, error) {
	return call(ctx, s, CompleteUpload, u.Key, 0, func(rule *Rule) (store.Object, error) {
		if rule.fault() == IgnoredCondition {
			opts.If = store.Condition{}
		}
		object, err := s.inner.CompleteUpload(ctx, u, parts, opts)
		if err == nil {
			s.saw(u.Key, object.ETag)
			s.heal(u.Key)
		}
		return object, err
	})
}

// AbortUpload implements store.Uploads.
func (s *Store) AbortUpload(ctx context.Context, u store.Upload) error {
	_, err := call(ctx, s, AbortUpload, u.Key, 0, func(*Rule) (struct{}, error) { return struct{}{}, s.inner.AbortUpload(ctx, u) })
	return err
}

// ListUploads implements store.Uploads.
func (s *Store) ListUploads(ctx context.Context, prefix string) ([]store.Upload, error) {
	return call(ctx, s, ListUploads, prefix, 0, func(*Rule) ([]store.Upload, error) { return s.inner.ListUploads(ctx, prefix) })
}
