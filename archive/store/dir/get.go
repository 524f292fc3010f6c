package dir

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Head implements store.Objects.
func (d *Dir) Head(ctx context.Context, key string) (store.Object, error) {
	if err := check(ctx, key); err != nil {
		return store.Object{}, d.explain("head", key, err)
	}
	object, err := d.lookup(key)
	if errors.Is(err, os.ErrNotExist) {
		return store.Object{}, d.missing("head", key, store.ErrNotFound)
	}
	return object, d.explain("head", key, err)
}

// Get implements store.Objects. What it has opened stays readable when the object
// is replaced or deleted.
func (d *Dir) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	if err := check(ctx, key); err != nil {
		return nil, d.explain("get", key, err)
	}
	object, file, err := d.open(key)
	if errors.Is(err, os.ErrNotExist) {
		return nil, d.missing("get", key, store.ErrNotFound)
	}
	if err != nil {
		return nil, d.explain("get", key, err)
	}
	fail := func(kind error) (*store.Body, error) {
		return nil, errors.Join(&store.Error{Op: "get", Key: key, Kind: kind}, file.Close())
	}
	if r.IfMatch != "" && r.IfMatch != object.ETag {
		return fail(store.ErrCondition)
	}
	offset, length, ok := r.Within(object.Size)
	if !ok {
		return fail(store.ErrRange)
	}
	section := io.NewSectionReader(file, offset, length)
	return store.NewBody(&body{ctx: ctx, Reader: section, Closer: file}, object, length), nil
}

// open opens the bytes of the object that is there.
func (d *Dir) open(key string) (store.Object, *os.File, error) {
	for {
		object, err := d.lookup(key)
		if err != nil {
			return object, nil, err
		}
		file, err := os.Open(d.private("objects", object.ETag))
		if !errors.Is(err, os.ErrNotExist) {
			return object, file, err
		}
		if again, err := d.lookup(key); err == nil && again.ETag == object.ETag {
			return object, nil, errors.New(d.private("objects", object.ETag) + " is missing")
		}
	}
}

// body is a range of a file.
type body struct {
	io.Reader
	io.Closer
	ctx context.Context // of Get, which ends the reading too
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

// check is what every method does first.
func check(ctx context.Context, key string) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}
