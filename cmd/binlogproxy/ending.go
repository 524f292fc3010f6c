package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// endTime is how long the daemon may take to end. A disk or a file server that does
// not answer must not keep it longer: those who told it to end kill it after 10 s.
const endTime = 9400 * time.Millisecond

// drainTime is how much of that downstreams may take to read what is left for them.
const drainTime = 8 * time.Second

// withinEndTime runs work, which is to return when its context has ended. If it has
// not by limit after that, it is left behind: the process is then to exit, and the
// disk is as kill -9 leaves it. work calls end when it is about to return by itself.
func withinEndTime(ctx context.Context, limit time.Duration, under *underWay, work func(ctx context.Context, end func(error)) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	done := make(chan error, 1)
	go func() { done <- work(ctx, end) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	err := &hangError{limit, under.list()}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return errors.Join(cause, err)
	}
	return err
}

// hangError says that the daemon did not end by itself.
type hangError struct {
	limit time.Duration
	what  []string
}

func (e *hangError) Error() string {
	return fmt.Sprintf("not ended within %v, the disk may hang: still at %s; the next start recovers as after a crash", e.limit, strings.Join(e.what, ", "))
}

// underWay is what the daemon is doing, to be named should it hang.
type underWay struct {
	mu    sync.Mutex
	names []string
}

// begin notes a step; the function that it gives takes it off.
func (u *underWay) begin(name string) (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.names = append(u.names, name)
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		i := slices.Index(u.names, name)
		u.names = slices.Delete(u.names, i, i+1)
	}
}

func (u *underWay) list() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.names)
}
