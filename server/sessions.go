package server

import (
	"cmp"
	"slices"
	"sync"
)

// sessions knows every live connection by its id. Connections before their login
// have a limit of their own. When it is reached, one gives way: of those that have said
// nothing yet and those that have, whichever are more, the oldest. So neither a flood of
// silent connections nor one of logins that get stuck keeps out a client that logs in
// at once.
type sessions struct {
	maxPending int

	mu          sync.Mutex // guards what follows
	maxLoggedIn int
	lastID      uint32
	byID        map[uint32]*session
	pending     []*session // oldest first
	loggedIn    int
}

func (r *sessions) init(maxLoggedIn, maxPending int) {
	r.maxLoggedIn, r.maxPending = maxLoggedIn, maxPending
	r.byID = make(map[uint32]*session)
}

// allow changes how many may be logged in. Those that are, stay.
func (r *sessions) allow(maxLoggedIn int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.maxLoggedIn = maxLoggedIn
}

// add gives the session its id, and says by its field refused that there is no room for
// another login. The caller ends the victim, if there is one.
func (r *sessions) add(s *session) (victim *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) >= r.maxPending {
		victim = r.victimLocked()
		r.dropPendingLocked(victim)
	}
	s.refused = r.loggedIn >= r.maxLoggedIn
	s.id = r.freeIDLocked()
	r.byID[s.id] = s
	r.pending = append(r.pending, s)
	return victim
}

func (r *sessions) victimLocked() *session {
	silent := 0
	for _, s := range r.pending {
		if !s.spoke {
			silent++
		}
	}
	spoke := 2*silent < len(r.pending)
	return r.pending[slices.IndexFunc(r.pending, func(s *session) bool { return s.spoke == spoke })]
}

// heard notes that a session's client has sent its first packet.
func (r *sessions) heard(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.spoke = true
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
	if r.loggedIn >= r.maxLoggedIn {
		return false
	}
	r.dropPendingLocked(s)
	r.loggedIn++
	s.loggedIn = true
	return true
}

// leave forgets a session that has taken its place; any other still counts as pending.
func (r *sessions) leave(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.loggedIn {
		r.removeLocked(s)
	}
}

// remove forgets a session. It may be called again.
func (r *sessions) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removeLocked(s)
}

func (r *sessions) removeLocked(s *session) {
	r.dropPendingLocked(s)
	if s.loggedIn {
		r.loggedIn--
		s.loggedIn = false
	}
	if r.byID[s.id] == s {
		delete(r.byID, s.id)
	}
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
