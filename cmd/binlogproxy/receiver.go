package main

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replica"
)

// receiver is one turn of receiving from a source.
type receiver struct {
	*replica.Replica
	ready atomic.Bool // it has been received from
}

// run follows until ctx ends or the source stops for good, be it that the log
// has stopped by itself while the source was silent.
func (r *receiver) run(ctx context.Context, log *archive.Log) error {
	receiving, cancel := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { watchLog(receiving, log, cancel) })
	err := r.Replica.Run(receiving)
	if cause := context.Cause(receiving); cause != nil {
		err = cause
	}
	cancel(nil)
	watcher.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// watchLog ends the receiver when the log has stopped.
func watchLog(ctx context.Context, log *archive.Log, end func(error)) {
	for {
		changed := log.Changed()
		if err := log.State().Stopped; err != nil {
			end(err)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
