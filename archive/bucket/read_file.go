package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// OpenFile reads the bytes of a sealed file from one offset to another. The caller closes
// the reader. A *DamageError says that the object is not the one that the manifest names;
// whether its bytes are right is not checked.
func (b *Bucket) OpenFile(ctx context.Context, t catalog.Timeline, m *catalog.Manifest, from, to int64) (io.ReadCloser, error) {
	key := b.FileKey(t, m.Name)
	body, err := b.store.Get(ctx, key, store.Range{Offset: from, Length: to - from, IfMatch: m.ETag})
	if err != nil {
		return nil, err
	}
	if body.Object.Size != m.Size {
		return nil, errors.Join(&DamageError{Key: key, Expected: fmt.Sprintf("%d bytes", m.Size), Found: fmt.Sprintf("%d bytes", body.Object.Size)}, body.Close())
	}
	return body, nil
}

// FileObject asks the store for the object of a sealed file. It is store.ErrNotFound where
// there is none.
func (b *Bucket) FileObject(ctx context.Context, t catalog.Timeline, file string) (store.Object, error) {
	return b.store.Head(ctx, b.FileKey(t, file))
}

// Index reads a sealed file's index, whose size and sum its manifest has.
func (b *Bucket) Index(ctx context.Context, t catalog.Timeline, m *catalog.Manifest) ([]byte, error) {
	key := b.IndexKey(t, m.Name)
	data, _, err := b.get(ctx, key, m.IndexSize)
	if err != nil {
		return nil, err
	}
	if sum := crc32c.Of(data); int64(len(data)) != m.IndexSize || sum != uint32(m.IndexCRC32C) {
		return nil, &DamageError{Key: key, Expected: sizeAndSum(m.IndexSize, uint32(m.IndexCRC32C)), Found: sizeAndSum(int64(len(data)), sum)}
	}
	return data, nil
}
