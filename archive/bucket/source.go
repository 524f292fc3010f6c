package bucket

import (
	"context"
	"errors"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

const maxSource = 64 << 20 // bytes of source.json: gaps and epochs gather there

// SourceDoc is source.json as it was read.
type SourceDoc struct {
	catalog.Source
	ETag string
}

// Source reads source.json. It is nil, without an error, in an empty bucket.
func (b *Bucket) Source(ctx context.Context) (*SourceDoc, error) {
	data, object, err := b.get(ctx, b.SourceKey(), maxSource)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	source, err := catalog.DecodeSource(data)
	if err != nil {
		return nil, damaged(b.SourceKey(), "a source.json that this program wrote", err)
	}
	return &SourceDoc{Source: source, ETag: object.ETag}, nil
}

// damaged names the object in what a decoder says of it.
func damaged(key, expected string, err error) error {
	if newer := (*catalog.VersionError)(nil); errors.As(err, &newer) {
		newer.File = key
		return newer
	}
	return &DamageError{Key: key, Expected: expected, Found: err.Error()}
}
