package bucket

import (
	"context"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// readBack reads an object whose sum the store does not check.
func (b *Bucket) readBack(ctx context.Context, object store.Object, size int64, sum uint32) error {
	found, err := b.sumRange(ctx, object.Key, store.Range{IfMatch: object.ETag})
	if err == nil && (object.Size != size || found != sum) {
		err = &DamageError{Key: object.Key, Expected: sizeAndSum(size, sum), Found: sizeAndSum(object.Size, found)}
	}
	return err
}

// Holds says whether an object has that size and CRC32C. What a store says of a sum that
// it does not check is not believed.
func (b *Bucket) Holds(ctx context.Context, object store.Object, size int64, sum uint32) (bool, error) {
	checked := b.opts.Capabilities.BodySums && b.opts.Capabilities.WholeSums && object.HasCRC
	if object.Size != size || checked {
		return object.Size == size && object.CRC32C == sum, nil
	}
	found, err := b.sumRange(ctx, object.Key, store.Range{IfMatch: object.ETag})
	return found == sum, err
}

// sumRange reads a range of an object for its CRC32C.
func (b *Bucket) sumRange(ctx context.Context, key string, r store.Range) (uint32, error) {
	body, err := b.store.Get(ctx, key, r)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	var sum uint32
	buffer := make([]byte, 128<<10)
	for {
		n, err := body.Read(buffer)
		sum = crc32c.Update(sum, buffer[:n])
		if err == io.EOF {
			return sum, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
