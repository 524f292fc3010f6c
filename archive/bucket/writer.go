package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Writer writes for one epoch. Its methods may be called concurrently, but for those of
// one file: its pieces, its sealing, and dropping them follow each other. Once one has
// returned ErrFenced all do, and nothing more is written.
type Writer struct {
	b      *Bucket
	epoch  uint64
	name   string // of the holder, for people
	fenced atomic.Bool

	change sync.Mutex // held over the requests that change source.json or a catalog

	mu       sync.Mutex
	source   *SourceDoc // nil while there is none; never changed, replaced
	catalogs map[int]*Catalog
}

// Epoch is that of the writer's lease.
func (w *Writer) Epoch() uint64 { return w.epoch }

func (w *Writer) check() error {
	if w.fenced.Load() {
		return ErrFenced
	}
	return nil
}

// fence ends the writer because of a later epoch.
func (w *Writer) fence(epoch uint64) error {
	w.fenced.Store(true)
	return fmt.Errorf("%w: epoch %d follows on %d", ErrFenced, epoch, w.epoch)
}

// Source is source.json as this writer knows it; nil before Begin in an empty bucket.
func (w *Writer) Source() *SourceDoc {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.source
}

func (w *Writer) setSource(s catalog.Source, etag string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.source = &SourceDoc{Source: s, ETag: etag}
	w.b.noteEpoch(s.Epoch)
}

// Begin makes the source.json of an empty bucket, with the source's timelines and gaps.
// It must come before anything else is written there. ErrAgain: somebody else was first.
func (w *Writer) Begin(ctx context.Context, source catalog.Source) error {
	w.change.Lock()
	defer w.change.Unlock()
	if err := w.check(); err != nil || w.Source() != nil {
		return err
	}
	source.Format, source.Epoch = catalog.Version, w.epoch
	source.Epochs = []catalog.Epoch{w.record(Place{})}
	body, err := source.Encode()
	if err != nil {
		return err
	}
	etag, err := w.b.swap(ctx, w.b.SourceKey(), body, store.IfAbsent())
	if err == nil {
		w.setSource(source, etag)
	}
	if !errors.Is(err, store.ErrCondition) {
		return err
	}
	held, readErr := w.b.Source(ctx)
	switch {
	case readErr != nil || held == nil:
		return errors.Join(err, readErr)
	case held.Epoch > w.epoch:
		return w.fence(held.Epoch)
	case held.Epoch < w.epoch:
		return ErrAgain
	}
	w.setSource(held.Source, held.ETag)
	return nil
}

// PutSource changes source.json: gaps and timelines. The change is called again where the
// document was not what this writer knew.
func (w *Writer) PutSource(ctx context.Context, change func(*catalog.Source)) error {
	w.change.Lock()
	defer w.change.Unlock()
	for {
		if err := w.check(); err != nil {
			return err
		}
		held := w.Source()
		if held == nil {
			return errors.New("the bucket has no source.json yet")
		}
		next := held.Source
		next.Timelines, next.Gaps, next.Epochs = slices.Clone(next.Timelines), slices.Clone(next.Gaps), slices.Clone(next.Epochs)
		change(&next)
		err := w.swapSource(ctx, next, held.ETag)
		if !errors.Is(err, store.ErrCondition) {
			return err
		}
		if err := w.rereadSource(ctx); err != nil {
			return err
		}
	}
}

func (w *Writer) swapSource(ctx context.Context, next catalog.Source, etag string) error {
	body, err := next.Encode()
	if err != nil {
		return err
	}
	if etag, err = w.b.swap(ctx, w.b.SourceKey(), body, store.IfMatch(etag)); err == nil {
		w.setSource(next, etag)
	}
	return err
}

// rereadSource fetches source.json, which only this epoch may have changed.
func (w *Writer) rereadSource(ctx context.Context) error {
	now, err := w.b.Source(ctx)
	switch {
	case err != nil:
		return err
	case now == nil:
		return &DamageError{Key: w.b.SourceKey(), Expected: "the source.json that was there", Found: "no such object"}
	case now.Epoch != w.epoch:
		return w.fence(now.Epoch)
	}
	w.setSource(now.Source, now.ETag)
	return nil
}

// timeline finds a timeline by its folder.
func (w *Writer) timeline(dir string) (catalog.Timeline, error) {
	if source := w.Source(); source != nil {
		for _, t := range source.Timelines {
			if t.Dir() == dir {
				return t, nil
			}
		}
	}
	return catalog.Timeline{}, fmt.Errorf("timeline %q is not in the bucket's source.json: write it there first", dir)
}
