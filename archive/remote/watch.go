package remote

import (
	"context"
	"errors"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// watch ends an attempt from which nothing comes for a third of the patience, or
// whose block takes all of it.
type watch struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	patience time.Duration
	deadline time.Time // of the block
	timer    *time.Timer
}

func newWatch(ctx context.Context, patience time.Duration, since time.Time) *watch {
	w := &watch{patience: patience, deadline: since.Add(patience)}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(w.rest(), func() { w.cancel(errStalled) })
	return w
}

func (w *watch) rest() time.Duration { return min(w.patience/3, time.Until(w.deadline)) }

// progress says that bytes have come.
func (w *watch) progress() { w.timer.Reset(w.rest()) }

// pause stops the watch while it is not the store that is waited for.
func (w *watch) pause() { w.timer.Stop() }

// restart begins the time of another block.
func (w *watch) restart(since time.Time) {
	w.deadline = since.Add(w.patience)
	w.timer.Reset(w.rest())
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// explain says of an error that the watch has caused that it may pass.
func (w *watch) explain(key string, err error) error {
	if errors.Is(context.Cause(w.ctx), errStalled) {
		return &store.Error{Op: "get", Key: key, Kind: store.ErrTemporary, Cause: errStalled}
	}
	return err
}
