package wire

import (
	"bytes"
	"errors"
	"testing"
)

// Whatever way a client proves itself, Proved is asked in time to keep the OK back, and
// nobody else gets that far.
func TestProvedDecidesInPlaceOfTheOK(t *testing.T) {
	full := Errorf(ERConCount, "Too many connections")
	other := errors.New("no longer wanted")
	for name, c := range map[string]client{
		"fast":   {user: "both", password: "secret"},
		"full":   {user: "both", password: "secret", damage: true},
		"native": {user: "native", password: "secret"},
		"empty":  {user: "empty"},
		"wrong":  {user: "both", password: "wrong"},
		"nobody": {user: "nobody", password: "secret"},
	} {
		c.caps = clientCapabilities
		for _, verdict := range []error{nil, full, other} {
			calls := 0
			auth, peer, err := runLogin(ServerLogin{Greeting: testGreeting(CachingSHA2Password), RSAKey: testKey(),
				Proved: func(who *Authenticated) error {
					calls++
					if who.User != c.user || who.Plugin != c.active {
						t.Errorf("%s: proved as %+v", name, who)
					}
					return verdict
				}}, c.answer)
			last := peer.sent[len(peer.sent)-1]
			if name == "wrong" || name == "nobody" {
				checkRefusal(t, name, err, peer, &c)
				if calls != 0 || auth != nil {
					t.Errorf("%s: proved by %d calls, %v", name, calls, auth)
				}
				continue
			}
			if calls != 1 || !errors.Is(err, verdict) || (auth != nil) != (verdict == nil) {
				t.Errorf("%s, %v: %d calls, %v, %v", name, verdict, calls, auth, err)
			}
			if told := last[0] == okHeader; told != (verdict == nil) {
				t.Errorf("%s, %v: told OK: %v", name, verdict, told)
			}
			if told := bytes.Equal(last, full.Append(nil)); told != (verdict == full) {
				t.Errorf("%s, %v: told 1040: %v", name, verdict, told)
			}
		}
	}
}
