package bucket

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Options of a bucket. The zero value is good.
type Options struct {
	Now    func() time.Time                                 // nil = time.Now; leases are judged by it, so it must be monotonic
	Sleep  func(ctx context.Context, d time.Duration) error // nil = by the clock
	Logger *slog.Logger                                     // nil = discard

	Policy       store.Policy       // how often requests are tried again; its Sleep is Sleep, where it has none
	Capabilities store.Capabilities // of the store, as its probe has shown

	PartSize int64 // bytes of the parts that are uploaded for a sealed file, at least; nearly twice as many at most; 0 = 8 MiB
	Parallel int   // requests at a time, where several help; each may hold a part in memory; 0 = 4
}

// Bucket is one source's part of a store.
type Bucket struct {
	store  store.Store
	source string
	opts   Options

	segment  uint64 // manifests in a segment of the catalog
	segments *segments
	epoch    *atomic.Uint64 // the highest that was seen in source.json
}

// New gives the part of a store that belongs to a source. It does nothing yet. The
// source's name is the first element of its keys.
func New(s store.Store, source string, opts Options) *Bucket {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	if opts.Policy.Sleep == nil {
		opts.Policy.Sleep = opts.Sleep
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if opts.PartSize == 0 {
		opts.PartSize = 8 << 20
	}
	if opts.Parallel == 0 {
		opts.Parallel = 4
	}
	return &Bucket{store: store.Retry(s, opts.Policy), source: source, opts: opts, segment: 1000, segments: new(segments), epoch: new(atomic.Uint64)}
}

// Proved is the same part of the store, of which a probe has shown that it has those
// capabilities. What one of the two has read of the catalog the other need not read again.
func (b *Bucket) Proved(can store.Capabilities) *Bucket {
	proved := *b
	proved.opts.Capabilities = can
	return &proved
}

// String names the bucket for people.
func (b *Bucket) String() string { return b.store.String() + " (source " + b.source + ")" }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// get reads a small object, at most limit bytes of it: a larger one is foreign.
func (b *Bucket) get(ctx context.Context, key string, limit int64) ([]byte, store.Object, error) {
	body, err := b.store.Get(ctx, key, store.Range{})
	if err != nil {
		return nil, store.Object{}, err
	}
	defer body.Close()
	if body.Object.Size > limit {
		return nil, store.Object{}, &DamageError{Key: key, Expected: fmt.Sprintf("at most %d bytes", limit), Found: fmt.Sprintf("%d bytes", body.Object.Size)}
	}
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	return data, body.Object, err
}

// Objects lists all that lies in the source's part, in the order of keys.
func (b *Bucket) Objects(ctx context.Context) ([]store.Object, error) {
	return b.list(ctx, b.source+"/")
}

// list gives all objects whose keys begin with prefix.
func (b *Bucket) list(ctx context.Context, prefix string) ([]store.Object, error) {
	var all []store.Object
	for after := ""; ; {
		page, err := b.store.List(ctx, prefix, after, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Objects...)
		if !page.More || len(page.Objects) == 0 {
			return all, nil
		}
		after = page.Objects[len(page.Objects)-1].Key
	}
}

// each calls f for 0 to n-1, a few at a time, and returns when all have returned. The
// first error ends the others.
func (b *Bucket) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	slots := make(chan struct{}, b.opts.Parallel)
	for i := 0; i < n && ctx.Err() == nil; i++ {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}
