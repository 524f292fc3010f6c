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

// Source reads source.json. It is nil, without an error, in an empty bucket. It is the first
// that is written there: where it is missing beside the source's files it was lost.
func (b *Bucket) Source(ctx context.Context) (*SourceDoc, error) {
	doc, err := b.readSource(ctx)
	if err != nil || doc != nil {
		return doc, err
	}
	page, err := b.store.List(ctx, b.source+"/0001-", "", 1)
	if err != nil || len(page.Objects) == 0 {
		return nil, err
	}
	if doc, err = b.readSource(ctx); err == nil && doc == nil {
		err = &DamageError{Key: b.SourceKey(), Expected: "the document that comes before all files", Found: "no such object, and " + page.Objects[0].Key}
	}
	return doc, err
}

func (b *Bucket) readSource(ctx context.Context) (*SourceDoc, error) {
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
	b.noteEpoch(source.Epoch)
	return &SourceDoc{Source: source, ETag: object.ETag}, nil
}

// noteEpoch keeps the highest epoch that was seen in source.json.
func (b *Bucket) noteEpoch(epoch uint64) {
	for seen := b.epoch.Load(); epoch > seen && !b.epoch.CompareAndSwap(seen, epoch); seen = b.epoch.Load() {
	}
}

// damaged names the object in what a decoder says of it.
func damaged(key, expected string, err error) error {
	if newer := (*catalog.VersionError)(nil); errors.As(err, &newer) {
		newer.File = key
		return newer
	}
	return &DamageError{Key: key, Expected: expected, Found: err.Error()}
}
