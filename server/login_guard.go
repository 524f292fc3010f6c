package server

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Limits of guessing. The first failures cost nothing, as with the defaults of mysqld's
// connection control; each later one makes the next attempt wait a second more.
const (
	freeFailures    = 3
	failureDelay    = time.Second
	maxFailureDelay = 5 * time.Second  // below the default LoginTimeout, so that the right password still gets in
	forgetFailures  = 10 * time.Minute // behind the last one
	maxSuspects     = 8192             // the oldest is forgotten for one more
)

// loginGuard slows down guessing. It counts the failed logins in a row of a user at an
// address, and of an address with whatever users; a login waits for the longer delay
// of the two. A user elsewhere is not affected by either. Once one has failed, logins
// that are under way count as failures of those behind them, and wait in a queue: of many
// connections opened at once only those gain that are judged before the first failure.
// A success clears both counts and lets go who waits for them.
//
// Safe for concurrent use.
type loginGuard struct {
	now   func() time.Time
	limit int          // of suspects
	seed  maphash.Seed // nobody outside can choose names that collide

	mu       sync.Mutex
	suspects map[uint64]*suspect
}

// suspect is a user at an address, or an address. Its fields are guarded by loginGuard.mu.
type suspect struct {
	failures int
	underWay int
	last     time.Time // failure
	next     time.Time // when the login that was let in last is judged
	cleared  chan struct{}
}

func newLoginGuard(now func() time.Time) *loginGuard {
	return &loginGuard{now: now, limit: maxSuspects, seed: maphash.MakeSeed(), suspects: make(map[uint64]*suspect)}
}

// attempt is a login that may be judged. Exactly one of its methods is called, when it
// has been.
type attempt struct {
	guard *loginGuard
	keys  [2]uint64
	held  []*suspect
}

// admit waits until a login may be judged. It returns nil where that would be behind
// deadline, or when ctx ends: then it must not be. waited tells whether it had to wait.
func (g *loginGuard) admit(ctx context.Context, user, host string, deadline time.Time) (a *attempt, waited bool) {
	a = &attempt{guard: g, keys: [2]uint64{g.key("user "+user, network(host)), g.key("", network(host))}}
	turns, ok := g.queue(a, deadline)
	if !ok {
		return nil, true
	}
	for len(turns) > 0 {
		last := 0
		if len(turns) == 2 && turns[1].at.After(turns[0].at) {
			last = 1
		}
		timer := time.NewTimer(turns[last].at.Sub(g.now()))
		select {
		case <-timer.C:
			return a, true
		case <-turns[last].cleared:
			turns = append(turns[:last], turns[last+1:]...)
		case <-ctx.Done():
			timer.Stop()
			a.abandoned()
			return nil, true
		}
		timer.Stop()
		waited = true
	}
	return a, waited
}

// turn is when a suspect's login may be judged.
type turn struct {
	at      time.Time
	cleared <-chan struct{}
}

func (g *loginGuard) queue(a *attempt, deadline time.Time) (turns []turn, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for _, key := range a.keys {
		s := g.suspects[key]
		if s == nil || now.Sub(s.last) > forgetFailures {
			continue
		}
		a.held = append(a.held, s)
		if delay := s.delay(); delay > 0 {
			at := later(now, s.next).Add(delay)
			if at.After(deadline) {
				return nil, false
			}
			turns = append(turns, turn{at, s.cleared})
		}
	}
	for _, s := range a.held {
		if delay := s.delay(); delay > 0 {
			s.next = later(now, s.next).Add(delay)
		}
		s.underWay++
	}
	return turns, true
}

func (s *suspect) delay() time.Duration {
	n := s.failures + s.underWay - freeFailures + 1
	return min(time.Duration(max(n, 0))*failureDelay, maxFailureDelay)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// failed counts a login that did not prove itself.
func (a *attempt) failed() {
	g := a.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	a.leaveLocked()
	now := g.now()
	for _, key := range a.keys {
		s := g.suspects[key]
		if s == nil || now.Sub(s.last) > forgetFailures {
			g.makeRoomLocked(now)
			s = &suspect{cleared: make(chan struct{})}
			g.suspects[key] = s
		}
		s.failures++
		s.last = now
	}
}

// succeeded clears what was counted.
func (a *attempt) succeeded() {
	g := a.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range a.keys {
		if s := g.suspects[key]; s != nil {
			close(s.cleared)
			delete(g.suspects, key)
		}
	}
}

// abandoned is for a login that ended without a proof being judged.
func (a *attempt) abandoned() {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	a.leaveLocked()
}

func (a *attempt) leaveLocked() {
	for _, s := range a.held {
		s.underWay--
	}
}

// makeRoomLocked forgets who is due, and who failed longest ago if that is not enough.
func (g *loginGuard) makeRoomLocked(now time.Time) {
	if len(g.suspects) < g.limit {
		return
	}
	var oldest uint64
	var last time.Time
	for key, s := range g.suspects {
		if now.Sub(s.last) > forgetFailures {
			delete(g.suspects, key)
		} else if last.IsZero() || s.last.Before(last) {
			oldest, last = key, s.last
		}
	}
	if len(g.suspects) >= g.limit {
		delete(g.suspects, oldest)
	}
}

func (g *loginGuard) key(user, network string) uint64 {
	return maphash.Comparable(g.seed, [2]string{user, network})
}

// network is what one client can choose its address from: of IPv6 the first 64 bits.
func network(host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Unmap().Is4() {
		return host
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return host
	}
	return prefix.String()
}
