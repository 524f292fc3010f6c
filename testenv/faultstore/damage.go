package faultstore

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Change is what becomes of an object's bytes.
type Change func([]byte) []byte

// FlipBit is the change of the n-th bit, counted from 0 and past the end round again.
func FlipBit(n int64) Change {
	return func(b []byte) []byte {
		b = bytes.Clone(b)
		if len(b) > 0 {
			n := n % int64(8*len(b))
			b[n/8] ^= 1 << (n % 8)
		}
		return b
	}
}

// Truncate leaves the first n bytes at most.
func Truncate(n int64) Change {
	return func(b []byte) []byte { return b[:min(n, int64(len(b)))] }
}

// Rot lets every read of key see changed bytes, under the object's old ETag, size and
// sum, as when the disks below a store decay. Of a whole body that is
// store.ErrBadSum. It ends when the object is written again.
func (s *Store) Rot(key string, change Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotten[key] = change
}

func (s *Store) heal(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rotten, key)
}

// Rewrite replaces an object by changed bytes with the same metadata, as somebody or
// some tool with access to the bucket may do. ETag and sum follow the new bytes.
func Rewrite(ctx context.Context, s store.Objects, key string, change Change) error {
	data, object, err := store.ReadAll(ctx, s, key, math.MaxInt64)
	if err != nil {
		return fmt.Errorf("damaging %s: %w", key, err)
	}
	_, err = s.Put(ctx, key, change(data), store.PutOptions{Meta: object.Meta})
	return err
}

// Exchange gives two objects each other's bytes.
func Exchange(ctx context.Context, s store.Objects, a, b string) error {
	restoreA, err := Snapshot(ctx, s, a)
	if err != nil {
		return err
	}
	data, _, err := store.ReadAll(ctx, s, b, math.MaxInt64)
	if err != nil {
		return err
	}
	if err := Rewrite(ctx, s, a, func([]byte) []byte { return data }); err != nil {
		return err
	}
	return restoreA(ctx, b)
}

// Snapshot keeps an object, to write it later over what is then under key, as a
// backup that was restored.
func Snapshot(ctx context.Context, s store.Objects, key string) (restore func(ctx context.Context, key string) error, err error) {
	data, object, err := store.ReadAll(ctx, s, key, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, key string) error {
		_, err := s.Put(ctx, key, data, store.PutOptions{Meta: object.Meta})
		return err
	}, nil
}
