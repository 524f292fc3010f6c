package faultstore

import (
	"context"
	"time"
)

// pace is how slow the store is. Its bandwidth belongs to all requests together: each
// takes the next free stretch of time.
type pace struct {
	delay time.Duration
	rate  int64
	free  time.Time // when the line is free again
}

// take is how long n bytes, for which a request comes now, take to be through.
func (p *pace) take(now time.Time, n int64) time.Duration {
	if p.rate <= 0 || n <= 0 {
		return 0
	}
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	return p.free.Sub(now)
}

// wait waits until a request with a body of n bytes has arrived.
func (s *Store) wait(ctx context.Context, n int64) error {
	s.mu.Lock()
	d := s.pace.delay + s.pace.take(time.Now(), n)
	s.mu.Unlock()
	return pause(ctx, d)
}

// waitBytes waits until n bytes of an answer have come.
func (s *Store) waitBytes(ctx context.Context, n int) error {
	s.mu.Lock()
	d := s.pace.take(time.Now(), int64(n))
	s.mu.Unlock()
	return pause(ctx, d)
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
