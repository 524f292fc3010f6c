package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
)

// NonceKey is the metadata by which a writer knows its own object again.
const NonceKey = "nonce"

// Swap is Put with a condition, tried again while that fails for the moment, and
// sure of its outcome: an answer that was lost, and a refusal that our own success
// has caused, are resolved by looking at the object, which carries a nonce.
//
// It returns nil only where the object was written, and ErrCondition only where the
// condition did not hold or somebody has written again since. Where it can find out
// neither, the error is ErrUncertain: the write may even happen later, so that
// whoever got it reads the object again before it decides anything.
func Swap(ctx context.Context, s Objects, key string, body []byte, opts PutOptions, p Policy) (object Object, err error) {
	nonce := rand.Text()
	opts.Meta = withNonce(opts.Meta, nonce)
	open := false // an attempt may have been, or may still be, carried out
	err = p.do(ctx, func() (err error) {
		object, err = s.Put(ctx, key, body, opts)
		if err == nil || !undecided(err) {
			return err
		}
		open = open || !errors.Is(err, ErrCondition)
		object, err = resolve(ctx, s, key, nonce, opts.If, err)
		return err
	})
	if err != nil && open && !errors.Is(err, ErrCondition) {
		err = &Error{Op: "swap", Key: key, Kind: ErrUncertain, Cause: err}
	}
	return object, err
}

// resolve finds out what became of a write that failed with writeErr. It returns nil
// if it was done, ErrCondition if it cannot be done any more, else writeErr.
func resolve(ctx context.Context, s Objects, key, nonce string, cond Condition, writeErr error) (Object, error) {
	if ctx.Err() != nil {
		return Object{}, writeErr
	}
	head, err := s.Head(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		head = Object{}
	case err != nil:
		return Object{}, &Error{Op: "resolve", Key: key, Kind: ErrTemporary, Cause: errors.Join(writeErr, err)}
	case head.Meta[NonceKey] == nonce:
		return head, nil
	}
	if Temporary(writeErr) && !cond.Holds(head.ETag) {
		return Object{}, &Error{Op: "swap", Key: key, Kind: ErrCondition, Cause: fmt.Errorf("another writer's object is there; our last attempt: %v", writeErr)}
	}
	return Object{}, writeErr
}

// undecided says that a failed write may have been done all the same.
func undecided(err error) bool {
	return errors.Is(err, ErrCondition) || Temporary(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func withNonce(meta map[string]string, nonce string) map[string]string {
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[NonceKey] = nonce
	return meta
}
