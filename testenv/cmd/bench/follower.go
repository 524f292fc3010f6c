package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/sink"
)

// commits are the times at which transactions began to be committed.
type commits struct {
	mu sync.Mutex
	at []time.Time
}

func (c *commits) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Now())
}

func (c *commits) begun(n int64) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[n]
}

// follower is a client at the live end that knows from the number of bytes alone which
// transactions have come.
type follower struct {
	sink *sink.Sink
	lags bench.Sample // milliseconds from the beginning of each commit to its arrival
	done chan error
}

// followBuffer is what one read takes at most: small, for a thousand clients.
const followBuffer = 4 << 10

// follow connects n clients to a server at the end of the source's log. Each ends when
// it has count transactions.
func (l *live) follow(ctx context.Context, v server, n, count int, c *commits) (all []*follower, err error) {
	at, err := l.position(ctx)
	if err != nil {
		return nil, err
	}
	for range n {
		l.nextID++
		s, err := openSink(ctx, v.addr, l.nextID, at)
		if err != nil {
			return all, err
		}
		f := &follower{sink: s, done: make(chan error, 1)}
		all = append(all, f)
		go func() { f.done <- f.run(l.packets, int64(count), c) }()
	}
	return all, nil
}

// run reads until the last transaction has come. What comes before the first, ROTATE and
// FORMAT_DESCRIPTION, is shorter than a transaction, so that dividing leaves it out.
func (f *follower) run(packets, count int64, c *commits) error {
	err := f.sink.Run(followBuffer, func(total int64) {
		now := time.Now()
		for n := int64(len(f.lags)); n < min(total/packets, count); n++ {
			f.lags = append(f.lags, milliseconds(now.Sub(c.begun(n))))
		}
		if int64(len(f.lags)) == count {
			_ = f.sink.Close()
		}
	})
	if err == nil && int64(len(f.lags)) < count {
		err = fmt.Errorf("a client has %d transactions of %d", len(f.lags), count)
	}
	return err
}

// wait returns when all have what they are to get.
func wait(ctx context.Context, all []*follower) error {
	ctx, cancel := context.WithTimeout(ctx, receiveLimit)
	defer cancel()
	for _, f := range all {
		select {
		case err := <-f.done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("a client waits for transactions: %w", ctx.Err())
		}
	}
	return nil
}

// closeAll ends those that still follow.
func closeAll(all []*follower) {
	for _, f := range all {
		_ = f.sink.Close() // most have ended by themselves
	}
}
