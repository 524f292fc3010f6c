package store

import (
	"context"
	"errors"
	"io"
)

// Retry is s whose unconditional operations are tried again while they fail for the
// moment; bodies that break off go on where they were, pinned to the same object.
// Writes with a condition and CompleteUpload are not: see Swap and FinishUpload.
func Retry(s Store, p Policy) Store { return &retrying{Store: s, policy: p.withDefaults()} }

type retrying struct {
	Store  // for what is not tried again
	policy Policy
}

// again is Policy.do for an operation with a result.
func again[T any](ctx context.Context, p Policy, try func() (T, error)) (result T, err error) {
	err = p.do(ctx, func() (err error) {
		result, err = try()
		return err
	})
	return result, err
}

func (r *retrying) Put(ctx context.Context, key string, body []byte, opts PutOptions) (Object, error) {
	if !opts.If.None() {
		return r.Store.Put(ctx, key, body, opts)
	}
	return again(ctx, r.policy, func() (Object, error) { return r.Store.Put(ctx, key, body, opts) })
}

func (r *retrying) Get(ctx context.Context, key string, rg Range) (*Body, error) {
	body, err := again(ctx, r.policy, func() (*Body, error) { return r.Store.Get(ctx, key, rg) })
	if err != nil {
		return nil, err
	}
	resuming := &resumingBody{ctx: ctx, r: r, body: body, offset: rg.Offset, left: body.Length}
	return NewBody(resuming, body.Object, body.Length), nil
}

func (r *retrying) Head(ctx context.Context, key string) (Object, error) {
	return again(ctx, r.policy, func() (Object, error) { return r.Store.Head(ctx, key) })
}

func (r *retrying) List(ctx context.Context, prefix, after string, max int) (Page, error) {
	return again(ctx, r.policy, func() (Page, error) { return r.Store.List(ctx, prefix, after, max) })
}

func (r *retrying) Delete(ctx context.Context, key string) error {
	return r.policy.do(ctx, func() error { return r.Store.Delete(ctx, key) })
}

// CreateUpload may leave uploads whose answer was lost: ListUploads finds them.
func (r *retrying) CreateUpload(ctx context.Context, key string, opts UploadOptions) (Upload, error) {
	return again(ctx, r.policy, func() (Upload, error) { return r.Store.CreateUpload(ctx, key, opts) })
}

func (r *retrying) PutPart(ctx context.Context, u Upload, number int, body []byte) (Part, error) {
	return again(ctx, r.policy, func() (Part, error) { return r.Store.PutPart(ctx, u, number, body) })
}

func (r *retrying) CopyPart(ctx context.Context, u Upload, number int, from Object) (Part, error) {
	return again(ctx, r.policy, func() (Part, error) { return r.Store.CopyPart(ctx, u, number, from) })
}

func (r *retrying) AbortUpload(ctx context.Context, u Upload) error {
	return r.policy.do(ctx, func() error { return r.Store.AbortUpload(ctx, u) })
}

func (r *retrying) ListUploads(ctx context.Context, prefix string) ([]Upload, error) {
	return again(ctx, r.policy, func() ([]Upload, error) { return r.Store.ListUploads(ctx, prefix) })
}

// resumingBody is a body that is asked for again, from where it has broken off.
type resumingBody struct {
	ctx    context.Context // of Get, which ends the reading too
	r      *retrying
	body   *Body
	offset int64 // of the next byte
	left   int64
	failed int // attempts since the last byte
}

func (b *resumingBody) Read(p []byte) (int, error) {
	for {
		n, err := b.body.Read(p)
		b.offset += int64(n)
		b.left -= int64(n)
		if n > 0 {
			b.failed = 0
			if Temporary(err) {
				err = nil // the next call meets it again
			}
			return n, err
		}
		if b.left == 0 && err != nil && !errors.Is(err, ErrBadSum) {
			return 0, io.EOF // all is there, however the connection ended
		}
		if !Temporary(err) {
			return 0, err
		}
		if err := b.resume(err); err != nil {
			return 0, err
		}
	}
}

func (b *resumingBody) resume(err error) error {
	policy := b.r.policy
	if b.failed++; b.failed >= policy.Attempts || policy.wait(b.ctx, b.failed) != nil {
		return err
	}
	key, rest := b.body.Object.Key, Range{Offset: b.offset, Length: b.left, IfMatch: b.body.Object.ETag}
	body, err := again(b.ctx, policy, func() (*Body, error) { return b.r.Store.Get(b.ctx, key, rest) })
	if err != nil {
		return err
	}
	b.body.Close()
	b.body = body
	return nil
}

func (b *resumingBody) Close() error { return b.body.Close() }
