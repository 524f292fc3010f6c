package server

import (
	"cmp"
	"slices"
	"sync"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// sessions knows every live connection by its id. Connections before their login
// have a limit of their own, and the oldest of them gives way: a flood of idle
// connections cannot keep out a client that logs in at once.
type sessions struct {
	maxLoggedIn, maxPending int

	mu       sync.Mutex
	lastID   uint32
	byID     map[uint32]*session
	pending  []*session // oldest first
	loggedIn int
}

func (r *sessions) init(maxLoggedIn, maxPending int) {
	r.maxLoggedIn, r.maxPending = maxLoggedIn, maxPending
	r.byID = make(map[uint32]*session)
}

// add gives the session its id. It returns error 1040 when there is no room.
func (r *sessions) add(s *session) *wire.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loggedIn >= r.maxLoggedIn {
		e := wire.Errorf(wire.ERConCount, "Too many connections")
		e.State = "" // the client has not said yet that it knows SQLSTATEs
		return e
	}
	if len(r.pending) >= r.maxPending {
		oldest := r.pending[0]
		r.pending = slices.Delete(r.pending, 0, 1)
		oldest.end(errEvicted)
	}
	s.id = r.freeIDLocked()
	r.byID[s.id] = s
	r.pending = append(r.pending, s)
	return nil
}

// freeIDLocked returns the next id that is neither 0 nor in use.
func (r *sessions) freeIDLocked() uint32 {
	for {
		r.lastID++
		if _, used := r.byID[r.lastID]; !used && r.lastID != 0 {
			return r.lastID
		}
	}
}

// promote moves a session from pending to logged in. It reports false when that
// limit was reached meanwhile.
func (r *sessions) promote(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropPendingLocked(s)
	if r.loggedIn >= r.maxLoggedIn {
		return false
	}
	r.loggedIn++
	s.loggedIn = true
	return true
}

func (r *sessions) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropPendingLocked(s)
	if s.loggedIn {
		r.loggedIn--
	}
	delete(r.byID, s.id)
}

func (r *sessions) dropPendingLocked(s *session) {
	if i := slices.Index(r.pending, s); i >= 0 {
		r.pending = slices.Delete(r.pending, i, i+1)
	}
}

// account returns the account of a session that has logged in.
func (r *sessions) account(s *session) (_ Account, loggedIn bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !s.loggedIn {
		return Account{}, false
	}
	return s.account, true
}

// get returns the session of an id, nil if there is none.
func (r *sessions) get(id uint32) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

func (r *sessions) count() (loggedIn, pending int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loggedIn, len(r.pending)
}

// each calls f for every session, in the order of their ids.
func (r *sessions) each(f func(*session)) {
	r.mu.Lock()
	all := make([]*session, 0, len(r.byID))
	for _, s := range r.byID {
		all = append(all, s)
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	for _, s := range all {
		f(s)
	}
}
