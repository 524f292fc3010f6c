package replica

import "time"

// backoff spaces the attempts to connect: the first at once, each later one
// after a random part of a wait that doubles up to max, and none sooner than min
// after the one before began.
type backoff struct {
	min, max time.Duration
	rand     func() float64 // in [0, 1)
	now      func() time.Time

	start time.Time     // of the last attempt
	wait  time.Duration // the next is a random part of this; 0: at once
}

// began notes the start of an attempt.
func (b *backoff) began() { b.start = b.now() }

// reset begins anew: the last attempt got somewhere.
func (b *backoff) reset() { b.wait = 0 }

// longest makes the next wait the longest there is.
func (b *backoff) longest() { b.wait = b.max }

// next returns how long to wait before the next attempt.
func (b *backoff) next() time.Duration {
	d := time.Duration(float64(b.wait) * (0.5 + b.rand()/2))
	b.wait = min(b.max, max(b.min, 2*b.wait))
	return max(d, b.min-b.now().Sub(b.start), 0)
}
