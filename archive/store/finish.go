package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// StartUpload is CreateUpload with a nonce in the metadata, for FinishUpload.
func StartUpload(ctx context.Context, s Uploads, key string, opts UploadOptions) (Upload, error) {
	nonce := rand.Text()
	opts.Meta = withNonce(opts.Meta, nonce)
	u, err := s.CreateUpload(ctx, key, opts)
	u.Nonce = nonce
	return u, err
}

// FinishUpload is CompleteUpload of an upload begun by StartUpload, tried again while
// that fails for the moment, and believed only when the object is there with our
// nonce and the right size and, in an upload with Sum, the right sum. Errors are as
// those of Swap; ErrCondition also where the store has answered with success and has
// somebody else's object. The upload may still exist then: abort it.
//
// ErrBadSum: the parts, or what the store has made of them, are not what opts says.
// If such an object is there, nobody must rely on it.
func FinishUpload(ctx context.Context, s Store, u Upload, parts []Part, opts CompleteOptions, p Policy) (object Object, err error) {
	if u.Nonce == "" {
		return Object{}, &Error{Op: "finish upload", Key: u.Key, Cause: errors.New("it was not begun by StartUpload")}
	}
	open := false
	err = p.do(ctx, func() error {
		_, err := s.CompleteUpload(ctx, u, parts, opts)
		if err != nil && !undecided(err) && !errors.Is(err, ErrNoUpload) {
			return err
		}
		open = open || Temporary(err) || ctx.Err() != nil
		object, err = confirm(ctx, s, u, opts, err)
		return err
	})
	if err != nil && open && !errors.Is(err, ErrCondition) && !errors.Is(err, ErrBadSum) {
		err = &Error{Op: "finish upload", Key: u.Key, Kind: ErrUncertain, Cause: err}
	}
	return object, err
}

// confirm says what became of a completion that was answered with completeErr.
func confirm(ctx context.Context, s Objects, u Upload, opts CompleteOptions, completeErr error) (Object, error) {
	if completeErr == nil {
		completeErr = &Error{Op: "finish upload", Key: u.Key, Kind: ErrCondition, Cause: errors.New("the store has answered with success, but the object is not ours")}
	}
	head, err := resolve(ctx, s, u.Key, u.Nonce, opts.If, completeErr)
	if err != nil {
		return Object{}, err
	}
	if head.Size != opts.Size || u.Sum && (!head.HasCRC || head.CRC32C != opts.CRC32C) {
		return Object{}, &Error{Op: "finish upload", Key: u.Key, Kind: ErrBadSum, Cause: fmt.Errorf(
			"the store has %d bytes with CRC32C %08x (known: %v), expected %d with %08x", head.Size, head.CRC32C, head.HasCRC, opts.Size, opts.CRC32C)}
	}
	return head, nil
}
