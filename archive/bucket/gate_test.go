package bucket

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// arena lets several writers run so that one of them at a time makes a request. Which one
// is drawn, and for how long a writer stands still, from the time a request was made up to
// where it is carried out.
type arena struct {
	random *rand.Rand
	wants  chan *fighter // a fighter waits for its turn, or has ended
}

// fighter is the store and the clock of one writer.
type fighter struct {
	store.Store
	clock *clock
	turn  chan struct{}
	wants chan *fighter

	stalled int // turns that it is not drawn
	ended   bool
	free    bool // the fight is over: nobody waits any more
}

func (a *arena) enter(s store.Store) *fighter {
	return &fighter{Store: s, clock: newClock(), turn: make(chan struct{}), wants: a.wants}
}

// run gives turns until all fighters have ended.
func (a *arena) run(fighters []*fighter) {
	for running, waiting := len(fighters), []*fighter(nil); running > 0; {
		for len(waiting) < running { // each of the others is between two requests
			f := <-a.wants
			if f.ended {
				running--
			} else {
				waiting = append(waiting, f)
			}
		}
		if running == 0 {
			break
		}
		i := a.random.IntN(len(waiting))
		f := waiting[i]
		if f.stalled > 0 && running > 1 {
			f.stalled--
			continue
		}
		if a.random.IntN(20) == 0 {
			f.stalled = a.random.IntN(60)
		}
		waiting = append(waiting[:i:i], waiting[i+1:]...)
		f.turn <- struct{}{}
	}
	for _, f := range fighters {
		f.free = true
	}
}

// wait returns when it is the fighter's turn: until it asks for the next one, no other
// runs.
func (f *fighter) wait() {
	if f.free {
		return
	}
	f.wants <- f
	<-f.turn
}

func (f *fighter) end() {
	f.ended = true
	f.wants <- f
}

func (f *fighter) Sleep(ctx context.Context, d time.Duration) error {
	f.wait()
	return f.clock.Sleep(ctx, d)
}

func (f *fighter) Put(ctx context.Context, key string, body []byte, opts store.PutOptions) (store.Object, error) {
	f.wait()
	return f.Store.Put(ctx, key, body, opts)
}

func (f *fighter) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	f.wait()
	return f.Store.Get(ctx, key, r)
}

func (f *fighter) Head(ctx context.Context, key string) (store.Object, error) {
	f.wait()
	return f.Store.Head(ctx, key)
}

func (f *fighter) List(ctx context.Context, prefix, after string, max int) (store.Page, error) {
	f.wait()
	return f.Store.List(ctx, prefix, after, max)
}

func (f *fighter) Delete(ctx context.Context, key string) error {
	f.wait()
	return f.Store.Delete(ctx, key)
}
