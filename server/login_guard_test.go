package server

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// fail lets a login fail, and returns how long it had to wait.
func fail(t *testing.T, g *loginGuard, user, host string) time.Duration {
	t.Helper()
	began := time.Now()
	a, _ := g.admit(context.Background(), user, host, began.Add(time.Hour))
	if a == nil {
		t.Fatal("not let in")
	}
	a.failed()
	return time.Since(began)
}

func TestTheDelayGrowsBehindThreeFailuresAndEndsWithASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLoginGuard(time.Now)
		for i, want := range []time.Duration{0, 0, 0, 1, 2, 3, 4, 5, 5, 5} {
			if got := fail(t, g, "u", "10.0.0.1"); got != want*time.Second {
				t.Errorf("attempt %d waits %s, want %s", i+1, got, want*time.Second)
			}
		}
		if got := fail(t, g, "u", "10.0.0.2"); got != 0 {
			t.Errorf("the user elsewhere waits %s", got)
		}
		a, waited := g.admit(context.Background(), "u", "10.0.0.1", time.Now().Add(time.Hour))
		if a == nil || !waited {
			t.Fatal("the right password is not let in, or did not wait")
		}
		a.succeeded()
		if got := fail(t, g, "u", "10.0.0.1"); got != 0 {
			t.Errorf("behind a success the next waits %s", got)
		}
	})
}

func TestGuessingManyUsersFromOneAddressIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLoginGuard(time.Now)
		var waited time.Duration
		for i := range 20 {
			// An IPv6 client has 64 bits of addresses to itself.
			waited += fail(t, g, fmt.Sprint("user", i), fmt.Sprintf("2001:db8::%x", i))
		}
		if want := (1 + 2 + 3 + 4 + 13*5) * time.Second; waited != want {
			t.Errorf("20 users took %s, want %s", waited, want)
		}
		if got := fail(t, g, "user0", "2001:db8:0:1::"); got != 0 {
			t.Errorf("another network waits %s", got)
		}
	})
}

func TestFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLoginGuard(time.Now)
		for range 5 {
			fail(t, g, "u", "h")
		}
		time.Sleep(forgetFailures + 1)
		if got := fail(t, g, "u", "h"); got != 0 {
			t.Errorf("waits %s", got)
		}
	})
}

// 10,000 guesses at 1,000 a second, each on a connection of its own.
func TestAFloodOfGuessesIsJudgedOnceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLoginGuard(time.Now)
		for range freeFailures {
			fail(t, g, "u", "h")
		}
		var judged atomic.Int64
		for range 10_000 {
			time.Sleep(time.Millisecond)
			go func() {
				if a, _ := g.admit(context.Background(), "u", "h", time.Now().Add(8*time.Second)); a != nil {
					judged.Add(1)
					a.failed()
				}
			}()
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := judged.Load(); n == 0 || n > 18 { // in 18 s
			t.Errorf("%d guesses were judged", n)
		}
	})
}

func TestASuccessLetsGoWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLoginGuard(time.Now)
		for range 8 {
			fail(t, g, "u", "h")
		}
		first, _ := g.admit(context.Background(), "u", "h", time.Now().Add(time.Minute))
		done := make(chan time.Duration, 5)
		for range 5 {
			go func() {
				began := time.Now()
				if a, _ := g.admit(context.Background(), "u", "h", began.Add(time.Minute)); a != nil {
					a.succeeded()
				}
				done <- time.Since(began)
			}()
		}
		synctest.Wait()
		first.succeeded()
		for range 5 {
			if waited := <-done; waited != 0 {
				t.Errorf("still waited %s", waited)
			}
		}
	})
}

func TestWhoGivesUpWaitingIsNotLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLoginGuard(time.Now)
		for range 8 {
			fail(t, g, "u", "h")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if a, _ := g.admit(ctx, "u", "h", time.Now().Add(time.Minute)); a != nil {
			t.Error("let in")
		}
		if a, _ := g.admit(context.Background(), "u", "h", time.Now().Add(time.Second)); a != nil {
			t.Error("let in behind its deadline")
		}
		for _, s := range g.suspects {
			if s.underWay != 0 {
				t.Errorf("%d are said to be under way", s.underWay)
			}
		}
	})
}

func TestTheTableOfSuspectsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLoginGuard(time.Now)
		g.limit = 50
		for i := range 3 * g.limit {
			time.Sleep(time.Microsecond)
			fail(t, g, "u", fmt.Sprint("host", i))
		}
		for range freeFailures {
			fail(t, g, "u", "newest")
		}
		if n := len(g.suspects); n > g.limit {
			t.Errorf("%d suspects", n)
		}
		if got := fail(t, g, "u", "newest"); got != time.Second {
			t.Errorf("the newest suspect waits %s", got)
		}
	})
}

// Who hangs up when he is asked for the password has learnt that his guess was wrong.
func TestHangingUpBehindAWrongGuessCountsAsAFailure(t *testing.T) {
	ts := startServer(t, nil)
	for range freeFailures {
		c := dialRaw(t, ts.addr)
		c.read()
		response := wire.HandshakeResponse{Capabilities: rawCapabilities, User: testUser, AuthData: make([]byte, 32), Plugin: wire.CachingSHA2Password}
		c.write(response.Append(nil))
		if p := c.read(); string(p) != "\x01\x04" {
			t.Fatalf("% x", p)
		}
		if err := c.nc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "three failures", func() bool { return ts.Stats().AuthFailures["denied"] == freeFailures })
	connect(t, ts, 0) // waits a second
	if n := ts.Stats().Delayed; n != 1 {
		t.Errorf("%d logins were delayed", n)
	}
}

// A login that may not be judged looks like any refused one, with the right password too.
func TestThrottledLoginsLookLikeRefusedOnes(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.LoginTimeout = 4 * time.Second }) // leaves three for waiting
	a, _ := ts.guard.admit(context.Background(), testUser, "127.0.0.1", time.Now().Add(time.Hour))
	for range 10 {
		a.failed()
	}
	err := openDriver(t, ts, testUser, testPassword).Ping()
	if err == nil || err.Error() != "Error 1045 (28000): Access denied for user 'repl'@'127.0.0.1' (using password: YES)" {
		t.Error(err)
	}
	eventually(t, "a throttled login", func() bool { s := ts.Stats(); return s.AuthFailures["throttled"] >= 1 && s.Delayed >= 1 })
}
