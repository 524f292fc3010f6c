package memstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// upload is an object that is being made.
type upload struct {
	store.Upload
	meta  map[string]string
	parts map[int]part
}

type part struct {
	store.Part
	body []byte // nil of one that was forgotten
}

// CreateUpload implements store.Uploads.
func (s *Store) CreateUpload(ctx context.Context, key string, opts store.UploadOptions) (store.Upload, error) {
	if err := errors.Join(check(ctx, key), store.CheckMeta(opts.Meta)); err != nil {
		return store.Upload{}, &store.Error{Op: "create upload", Key: key, Cause: err}
	}
	u := &upload{Upload: store.Upload{Key: key, ID: rand.Text(), Sum: opts.Sum, Started: time.Now().UTC()}, meta: maps.Clone(opts.Meta), parts: map[int]part{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads[u.ID] = u
	return u.Upload, nil
}

// PutPart implements store.Uploads.
func (s *Store) PutPart(ctx context.Context, u store.Upload, number int, body []byte) (store.Part, error) {
	p := part{Part: store.Part{Number: number, ETag: rand.Text(), Size: int64(len(body)), CRC32C: crc32c.Of(body)}, body: s.kept(body)}
	return p.Part, s.addPart(ctx, "put part", u, p)
}

// CopyPart implements store.Uploads.
func (s *Store) CopyPart(ctx context.Context, u store.Upload, number int, from store.Object) (store.Part, error) {
	o, err := s.find("copy part", from.Key)
	switch {
	case err != nil:
		return store.Part{}, err
	case o.ETag != from.ETag:
		return store.Part{}, &store.Error{Op: "copy part", Key: from.Key, Kind: store.ErrCondition}
	case o.Size != from.Size || o.CRC32C != from.CRC32C:
		return store.Part{}, &store.Error{Op: "copy part", Key: from.Key, Kind: store.ErrBadSum}
	}
	p := part{Part: store.Part{Number: number, ETag: o.ETag, Size: o.Size, CRC32C: o.CRC32C}, body: o.body}
	return p.Part, s.addPart(ctx, "copy part", u, p)
}

func (s *Store) addPart(ctx context.Context, op string, u store.Upload, p part) error {
	if err := ctx.Err(); err != nil {
		return &store.Error{Op: op, Key: u.Key, Cause: err}
	}
	if p.Number < 1 || p.Number > store.MaxParts || p.Size < 1 || p.Size > store.MaxPart {
		return &store.Error{Op: op, Key: u.Key, Cause: fmt.Errorf("part %d of %d bytes", p.Number, p.Size)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.uploads[u.ID]
	if held == nil {
		return &store.Error{Op: op, Key: u.Key, Kind: store.ErrNoUpload}
	}
	held.parts[p.Number] = p
	return nil
}

// CompleteUpload implements store.Uploads.
func (s *Store) CompleteUpload(ctx context.Context, u store.Upload, parts []store.Part, opts store.CompleteOptions) (store.Object, error) {
	if err := check(ctx, u.Key); err != nil {
		return store.Object{}, &store.Error{Op: "complete upload", Key: u.Key, Cause: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.uploads[u.ID]
	if held == nil || held.Key != u.Key {
		return store.Object{}, &store.Error{Op: "complete upload", Key: u.Key, Kind: store.ErrNoUpload}
	}
	o, err := held.join(parts)
	if err != nil {
		return store.Object{}, err
	}
	if o.Size != opts.Size || o.CRC32C != opts.CRC32C {
		return store.Object{}, &store.Error{Op: "complete upload", Key: u.Key, Kind: store.ErrBadSum}
	}
	if o.body != nil {
		o.body = s.kept(o.body)
	}
	object, err := s.publishLocked(o, opts.If)
	if err == nil {
		delete(s.uploads, u.ID)
	}
	return object, err
}

// join is the object that the parts make; it has no body where one of them has none.
func (u *upload) join(parts []store.Part) (object, error) {
	o := object{Object: store.Object{Key: u.Key, HasCRC: u.Sum, Meta: u.meta}, body: []byte{}}
	for i, p := range parts {
		held, ok := u.parts[p.Number]
		wrong := !ok || held.Part != p || i > 0 && p.Number <= parts[i-1].Number || i < len(parts)-1 && p.Size < store.MinPart
		if wrong {
			return o, &store.Error{Op: "complete upload", Key: u.Key, Cause: fmt.Errorf("part %d with the ETag %s and %d bytes does not fit", p.Number, p.ETag, p.Size)}
		}
		o.Size, o.CRC32C = o.Size+p.Size, crc32c.Join(o.CRC32C, p.CRC32C, p.Size)
		if held.body == nil || o.body == nil {
			o.body = nil
			continue
		}
		o.body = append(o.body, held.body...)
	}
	if len(parts) == 0 {
		return o, &store.Error{Op: "complete upload", Key: u.Key, Cause: errors.New("no parts")}
	}
	return o, nil
}

// AbortUpload implements store.Uploads.
func (s *Store) AbortUpload(ctx context.Context, u store.Upload) error {
	if err := ctx.Err(); err != nil {
		return &store.Error{Op: "abort upload", Key: u.Key, Cause: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, u.ID)
	return nil
}

// ListUploads implements store.Uploads.
func (s *Store) ListUploads(ctx context.Context, prefix string) ([]store.Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, &store.Error{Op: "list uploads", Key: prefix, Cause: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var uploads []store.Upload
	for _, id := range slices.Sorted(maps.Keys(s.uploads)) {
		if u := s.uploads[id]; strings.HasPrefix(u.Key, prefix) {
			uploads = append(uploads, u.Upload)
		}
	}
	return uploads, nil
}
