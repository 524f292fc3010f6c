package bucket

import (
	"context"
	"errors"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// put writes an object if the condition holds. store.ErrCondition says for sure that it
// does not, or that somebody else has written since; store.ErrUncertain that the object must
// be read before anything is decided.
func (b *Bucket) put(ctx context.Context, key string, body []byte, opts store.PutOptions) (store.Object, error) {
	object, err := store.Swap(ctx, b.store, key, body, opts, b.opts.Policy)
	if errors.Is(err, store.ErrNotFound) { // so some stores say that there is nothing to match
		err = &store.Error{Op: "swap", Key: key, Kind: store.ErrCondition, Cause: err}
	}
	return object, believed(err)
}

// swap is put of a document.
func (b *Bucket) swap(ctx context.Context, key string, body []byte, cond store.Condition) (etag string, err error) {
	object, err := b.put(ctx, key, body, store.PutOptions{If: cond})
	return object.ETag, err
}

// believed is where a saboteur takes a failed condition for success.
func believed(err error) error {
	if sabotaged == ignore412 && errors.Is(err, store.ErrCondition) {
		return nil
	}
	return err
}
