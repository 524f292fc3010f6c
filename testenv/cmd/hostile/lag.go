package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

const (
	goodClients  = 40
	deafClients  = 50 // never read
	slowClients  = 10 // read 1 KiB/s
	commitPeriod = 10 * time.Millisecond
)

// lags are the times from the beginning of a commit to its arrival at a client, by
// phase.
type lags struct {
	phase atomic.Int32

	mu      sync.Mutex
	commits []commit
	samples [2]bench.Sample // milliseconds; 0: without bad clients, 1: beside them
}

type commit struct {
	at    time.Time
	phase int32
}

func (l *lags) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits = append(l.commits, commit{time.Now(), l.phase.Load()})
}

func (l *lags) arrived(n int) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < len(l.commits) && l.commits[n].phase >= 0 {
		c := l.commits[n]
		l.samples[c.phase] = append(l.samples[c.phase], float64(now.Sub(c.at))/float64(time.Millisecond))
	}
}

// write commits transactions of 1 kB until ctx ends.
func (l *lags) write(ctx context.Context, db *sql.DB) error {
	tick := time.NewTicker(commitPeriod)
	defer tick.Stop()
	row := strings.Repeat("r", 1000)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		l.begin()
		if _, err := db.Exec("INSERT INTO hostile.rows (text) VALUES (?)", row); err != nil {
			return fmt.Errorf("writing at the source: %w", err)
		}
	}
}

// measureLag has the good clients alone, then beside the bad ones for the given time.
func measureLag(ctx context.Context, db *sql.DB, addr string, oldest, tail replication.Position, duration time.Duration) (*lags, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel(errDone)
	l := &lags{}
	l.phase.Store(-1)
	for i := range goodClients {
		nc, err := dump(ctx, addr, uint32(1000+i), tail)
		if err != nil {
			return nil, fmt.Errorf("a good client: %w", err)
		}
		all.Go(func() {
			n := 0
			err := follow(ctx, nc, func() { l.arrived(n); n++ })
			if ctx.Err() == nil {
				cancel(fmt.Errorf("a good client was cut off: %w", err))
			}
		})
	}
	all.Go(func() {
		if err := l.write(ctx, db); err != nil {
			cancel(err)
		}
	})
	if err := pass(ctx, l, -1, 5*time.Second); err != nil { // warm up
		return nil, err
	}
	quiet := min(duration, max(duration/4, 20*time.Second))
	say("%s with %d good clients", quiet, goodClients)
	if err := pass(ctx, l, 0, quiet); err != nil {
		return nil, err
	}
	say("%s beside %d that never read and %d that read 1 KiB/s", duration, deafClients, slowClients)
	for i := range deafClients + slowClients {
		all.Go(func() { misbehave(ctx, addr, uint32(2000+i), oldest, i >= deafClients) })
	}
	return l, pass(ctx, l, 1, duration)
}

var errDone = errors.New("done")

func pass(ctx context.Context, l *lags, phase int32, d time.Duration) error {
	l.phase.Store(phase)
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// misbehave asks for everything and reads nothing, or hardly anything. Whenever it is
// cut off it comes again.
func misbehave(ctx context.Context, addr string, serverID uint32, from replication.Position, reads bool) {
	for ctx.Err() == nil {
		nc, err := dump(ctx, addr, serverID, from)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
		kib := make([]byte, 1<<10)
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
			// One that never reads learns from a write that it has been cut off.
			if _, err = nc.Write([]byte{1, 0, 0, 0, 14}); reads && err == nil {
				_, err = nc.Read(kib)
			}
			if err != nil || ctx.Err() != nil {
				tick.Stop()
				break
			}
		}
		stop()
		_ = nc.Close()
	}
}
