package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// part is a piece of a source that lives by itself: its log, what follows, what
// serves. Each life is a turn. The next turn comes after restart, or after a pause
// when one has failed in a way that may pass.
type part struct {
	pauseMin time.Duration // doubles from turn to turn, until one is well

	mu      sync.Mutex // guards what follows
	end     context.CancelFunc
	pausing bool // between a turn that has failed and the next
	again   bool // no pause behind the present turn
	problem error
	since   time.Time
	pause   time.Duration
}

// run gives work its turns until ctx ends, and returns what the last of them says
// then. A turn ends with its context, or by itself with an error: passes tells
// whether another try may help, and is told of every failure.
func (p *part) run(ctx context.Context, pauseMax func() time.Duration, work func(context.Context) error, passes func(error) bool) error {
	for {
		turn, end := context.WithCancel(ctx)
		p.begin(end)
		err := work(turn)
		if ctx.Err() != nil {
			end()
			return err
		}
		if turn.Err() == nil {
			pause := p.fail(err, pauseMax())
			if !passes(err) {
				pause = 0
			}
			waitFor(turn, pause)
		}
		end()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// waitFor waits until ctx ends, or for a pause unless that is 0.
func waitFor(ctx context.Context, pause time.Duration) {
	var over <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-ctx.Done():
	}
}

func (p *part) begin(end context.CancelFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end, p.pausing, p.again = end, false, false
}

// restart ends the turn, or the pause before it, so that the next one begins.
func (p *part) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restartLocked()
}

func (p *part) restartLocked() {
	if p.end != nil {
		p.pause = 0
		p.end()
	}
}

// retry ends the pause before the next turn. A turn goes on; if it fails, the next one
// follows at once.
func (p *part) retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again = true
	if p.pausing {
		p.restartLocked()
	}
}

// fail notes a problem and says how long to wait before another try.
func (p *part) fail(err error, pauseMax time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pausing, p.problem, p.since = true, err, time.Now()
	p.pause = min(max(2*p.pause, p.pauseMin), pauseMax)
	if p.again {
		p.restartLocked()
	}
	return max(p.pause/2+rand.N(p.pause/2+1), time.Millisecond)
}

// well says that the turn works: the problem of an earlier one is over.
func (p *part) well() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problem, p.since, p.pause = nil, time.Time{}, 0
}

// trouble is what keeps the part from working, and since when; nil while nothing does.
func (p *part) trouble() (since time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since, p.problem
}
