package uploadcost

import (
	"sync"
	"time"
)

// clock is an archive.Clock that goes on when it is told to.
type clock struct {
	mu     sync.Mutex // guards the rest
	now    time.Time
	timers []timer
}

type timer struct {
	at     time.Time
	wanted time.Duration // that was to be waited for
	fire   chan time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := timer{at: c.now.Add(d), wanted: d, fire: make(chan time.Time, 1)}
	c.timers = append(c.timers, t)
	return t.fire
}

// advance lets time pass.
func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var left []timer
	for _, t := range c.timers {
		if t.at.After(c.now) {
			left = append(left, t)
		} else {
			t.fire <- c.now
		}
	}
	c.timers = left
}

// waits says whether somebody has asked to wait for at most d, and still does.
func (c *clock) waits(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.timers {
		if t.wanted <= d {
			return true
		}
	}
	return false
}
