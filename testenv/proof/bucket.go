package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Fetch writes what a source's part of a bucket counts into dir, under the files' own
// names: sealed files, and open ones as their pieces have them.
func Fetch(ctx context.Context, s store.Store, source, dir string) error {
	b := bucket.New(s, source, bucket.Options{})
	doc, err := b.Source(ctx)
	if err != nil || doc == nil {
		return errors.Join(err, fmt.Errorf("source.json: %v", doc))
	}
	timeline := doc.Timelines[len(doc.Timelines)-1]
	c, err := b.Catalog(ctx, timeline)
	if err != nil {
		return err
	}
	tail, err := b.Tail(ctx, c)
	if err != nil {
		return err
	}
	for _, m := range c.Manifests {
		f := fetched{Range: store.Range{IfMatch: m.ETag}, key: b.FileKey(timeline, m.Name)}
		if err := f.write(ctx, s, filepath.Join(dir, m.Name)); err != nil {
			return err
		}
	}
	for _, chain := range tail.Chains {
		for _, span := range chain.Spans {
			r := store.Range{Offset: span.From - span.First, Length: span.To - span.From, IfMatch: span.ETag}
			f := fetched{Range: r, key: b.PieceKey(span.PieceID)}
			if err := f.write(ctx, s, filepath.Join(dir, chain.File)); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetched is a part of an object.
type fetched struct {
	store.Range
	key string
}

// write appends it to a file.
func (f fetched) write(ctx context.Context, s store.Store, path string) error {
	body, err := s.Get(ctx, f.key, f.Range)
	if err != nil {
		return err
	}
	defer body.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, body)
	return errors.Join(err, out.Close())
}
