package server

import (
	"context"
	"testing"
)

// pendingSessions fills a table, silent ones and ones that have spoken, as told by
// one letter each: '.' and 's'.
func pendingSessions(r *sessions, pattern string) []*session {
	var all []*session
	for _, letter := range pattern {
		_, end := context.WithCancelCause(context.Background())
		s := &session{end: end}
		r.add(s)
		if letter == 's' {
			r.heard(s)
		}
		all = append(all, s)
	}
	return all
}

func TestWhoGivesWayIsTheOldestOfTheMany(t *testing.T) {
	for pattern, want := range map[string]int{
		"......": 0, // idle connections: the oldest
		"s.....": 1, // a login among them is left alone
		"ss....": 2,
		"sssss.": 0, // logins that are stuck: a new client has time to speak
		".sssss": 1,
		"sss...": 3, // as many: the silent ones
		"ssssss": 0,
	} {
		var r sessions
		r.init(10, len(pattern))
		all := pendingSessions(&r, pattern)
		if victim := r.add(&session{}); victim != all[want] {
			t.Errorf("%s: not number %d gives way", pattern, want)
		}
		if _, pending := r.count(); pending != len(pattern) {
			t.Errorf("%s: %d pending behind it", pattern, pending)
		}
	}
}

func TestASessionIsForgottenOnce(t *testing.T) {
	var r sessions
	r.init(1, 3)
	s := pendingSessions(&r, "s")[0]
	if !r.promote(s) {
		t.Fatal("no room")
	}
	other := pendingSessions(&r, "s")[0]
	if !other.refused || r.promote(other) {
		t.Error("there is room for two")
	}
	r.remove(s)
	r.remove(s)
	r.remove(other)
	if loggedIn, pending := r.count(); loggedIn != 0 || pending != 0 {
		t.Errorf("%d logged in, %d pending", loggedIn, pending)
	}
}

func TestALimitThatChangesIsForTheLoginsToCome(t *testing.T) {
	var r sessions
	r.init(1, 3)
	one := pendingSessions(&r, "s")[0]
	r.promote(one)
	r.allow(2)
	two := pendingSessions(&r, "s")[0]
	if two.refused || !r.promote(two) {
		t.Error("no room for two")
	}
	r.allow(1)
	if loggedIn, _ := r.count(); loggedIn != 2 {
		t.Errorf("%d are logged in", loggedIn)
	}
	r.remove(two)
	if three := pendingSessions(&r, "s")[0]; !three.refused || r.promote(three) {
		t.Error("there is room for two")
	}
}
