package bucket

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// State is what the bucket holds when a writer takes over.
type State struct {
	Source   *SourceDoc // nil: the bucket is empty, call Begin
	Catalogs []*Catalog // of the timelines, in their order
	Chains   []Chain    // of the last timeline's files that are not sealed, up to At
	At       Place      // where this epoch begins, and its pieces go on
}

// Place is where an epoch begins.
type Place struct {
	Timeline int
	Seq      uint64 // of the file
	File     string // "" where the bucket has nothing of it
	Offset   int64  // a boundary, or 0
}

// TakeOver makes the holder of a lease the writer. Before it returns, the catalogs
// belong to its epoch, so that no earlier writer seals a file any more, and source.json says
// where the epoch begins, so that no piece of an earlier one counts behind that. It also
// finishes what an earlier writer has left half-done in the catalogs, and ends
// its uploads. It may be called again with the same lease.
func (b *Bucket) TakeOver(ctx context.Context, l *Lease) (*Writer, *State, error) {
	w := &Writer{b: b, epoch: l.Epoch(), name: l.holder.Name, catalogs: map[int]*Catalog{}}
	for {
		state, err := w.takeOver(ctx)
		if err == nil {
			b.segments.forget()
			return w, state, b.abortUploads(ctx)
		}
		if !errors.Is(err, ErrAgain) {
			return nil, nil, err
		}
	}
}

func (w *Writer) takeOver(ctx context.Context) (*State, error) {
	source, err := w.b.Source(ctx)
	if err != nil || source == nil {
		return &State{}, err
	}
	if source.Epoch > w.epoch {
		return nil, w.fence(source.Epoch)
	}
	w.setSource(source.Source, source.ETag)
	state := &State{}
	for _, t := range source.Timelines {
		c, err := w.claim(ctx, t)
		if err != nil {
			return nil, err
		}
		state.Catalogs = append(state.Catalogs, c)
	}
	// Nobody seals a file from here on, but an earlier writer may still write pieces.
	tail, err := w.b.Tail(ctx, state.Catalogs[len(state.Catalogs)-1])
	if err != nil {
		return nil, err
	}
	if tail.Source == nil || tail.Source.ETag != source.ETag {
		return nil, ErrAgain
	}
	state.At, state.Chains = placeOf(tail)
	if err := w.recordEpoch(ctx, *source, state.At); err != nil {
		return nil, err
	}
	state.Source = w.Source()
	return state, nil
}

// placeOf finds the last boundary that is held, and cuts the chains there.
func placeOf(tail *Tail) (Place, []Chain) {
	at := Place{Timeline: tail.Catalog.Timeline.Number, Seq: 1}
	if last := tail.Catalog.Last(); last != nil {
		at.Seq = last.Seq + 1
	}
	if len(tail.Chains) == 0 {
		return at, nil
	}
	chains := slices.Clone(tail.Chains)
	last := &chains[len(chains)-1]
	at.Seq, at.File, at.Offset = last.Seq, last.File, last.Boundary()
	last.Spans = slices.Clone(last.Spans)
	for len(last.Spans) > 0 && last.Spans[len(last.Spans)-1].From >= at.Offset {
		last.Spans = last.Spans[:len(last.Spans)-1]
	}
	if n := len(last.Spans); n > 0 {
		last.Spans[n-1].To = min(last.Spans[n-1].To, at.Offset)
	} else {
		chains = chains[:len(chains)-1]
	}
	return at, chains
}

// recordEpoch writes into source.json where this epoch begins, unless it stands there.
func (w *Writer) recordEpoch(ctx context.Context, source SourceDoc, at Place) error {
	if source.Epoch == w.epoch {
		return nil
	}
	next := source.Source
	next.Epoch = w.epoch
	next.Epochs = append(slices.Clone(next.Epochs), w.record(at))
	err := w.swapSource(ctx, next, source.ETag)
	if errors.Is(err, store.ErrCondition) {
		return ErrAgain
	}
	return err
}

func (w *Writer) record(at Place) catalog.Epoch {
	return catalog.Epoch{
		Number: w.epoch, Timeline: at.Timeline, Seq: at.Seq, File: at.File, Offset: at.Offset,
		Writer: w.name, Began: w.b.opts.Now().UTC().Format(time.RFC3339),
	}
}

// abortUploads ends what earlier writers have begun and will not complete.
func (b *Bucket) abortUploads(ctx context.Context) error {
	uploads, err := b.store.ListUploads(ctx, b.source+"/")
	for i := 0; i < len(uploads) && err == nil; i++ {
		err = b.store.AbortUpload(ctx, uploads[i])
	}
	return err
}
