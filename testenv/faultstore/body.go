package faultstore

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// open is the store's Get, of bytes that may be rotten.
func (s *Store) open(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	s.mu.Lock()
	rot := s.rotten[key]
	s.mu.Unlock()
	if rot == nil {
		return s.inner.Get(ctx, key, r)
	}
	whole, err := s.inner.Get(ctx, key, store.Range{IfMatch: r.IfMatch})
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(whole)
	if err := errors.Join(err, whole.Close()); err != nil {
		return nil, err
	}
	offset, length, ok := r.Within(whole.Object.Size) // as the store has it, whatever is left of it
	if !ok {
		return nil, &store.Error{Op: string(Get), Key: key, Kind: store.ErrRange}
	}
	data = rot(data)
	data = data[min(offset, int64(len(data))):min(offset+length, int64(len(data)))]
	return store.NewBody(io.NopCloser(bytes.NewReader(data)), whole.Object, length), nil
}

// spoil lets the body be slow, count, and meet what the rule says.
func (s *Store) spoil(ctx context.Context, inner *store.Body, rule *Rule) *store.Body {
	b := &body{ctx: ctx, s: s, inner: inner, cut: -1, flip: -1}
	if inner.Length > 0 {
		switch rule.fault() {
		case Truncated:
			b.cut = s.below(inner.Length)
		case Flipped:
			b.flip = s.below(8 * inner.Length)
		}
	}
	return store.NewBody(b, inner.Object, inner.Length)
}

// body is a body with faults.
type body struct {
	ctx   context.Context // of Get, which ends the reading too
	s     *Store
	inner *store.Body
	at    int64
	cut   int64 // where it breaks off; -1 = nowhere
	flip  int64 // the bit that is another; -1 = none
}

func (b *body) Read(p []byte) (int, error) {
	if b.cut >= 0 {
		if b.at >= b.cut {
			return 0, io.ErrUnexpectedEOF
		}
		p = p[:min(int64(len(p)), b.cut-b.at)]
	}
	n, err := b.inner.Read(p)
	if i := b.flip/8 - b.at; b.flip >= 0 && i >= 0 && i < int64(n) {
		p[i] ^= 1 << (b.flip % 8)
	}
	b.at += int64(n)
	b.s.received(Get, n)
	if waitErr := b.s.waitBytes(b.ctx, n); waitErr != nil {
		return n, waitErr
	}
	return n, err
}

func (b *body) Close() error { return b.inner.Close() }
