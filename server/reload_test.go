package server

import (
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

func accountsOf(t *testing.T, passwords map[string]string, privileges ...Privilege) *Accounts {
	t.Helper()
	var all []Account
	for user, password := range passwords {
		a, err := NewAccount(user, []byte(password), privileges...)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	set, err := NewAccounts(all...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestReloadEndsTheSessionsOfAccountsThatAreGoneOrChanged(t *testing.T) {
	ts := startServer(t, func(o *Options) {
		o.Accounts = accountsOf(t, map[string]string{"same": "a", "changed": "b", "gone": "c"}, ReplicationSlave)
	})
	same, changed, gone := connectAs(t, ts, "same", "a", 0), connectAs(t, ts, "changed", "b", 0), connectAs(t, ts, "gone", "c", 0)
	idle := connectAs(t, ts, "gone", "c", 0)
	same.startDump(ts, 1, "")
	changed.startDump(ts, 2, "")
	gone.startDump(ts, 3, "")
	ts.Reload(accountsOf(t, map[string]string{"same": "a", "changed": "other", "new": "d"}, ReplicationSlave), nil)
	for _, c := range []*rawClient{changed, gone, idle} {
		c.expectEOF()
	}
	eventually(t, "two dumps fewer", func() bool { replicas := ts.Replicas(); return len(replicas) == 1 && replicas[0].User == "same" })
	connectAs(t, ts, "new", "d", 0).mustQuery("SELECT 1")
	connectAs(t, ts, "changed", "other", 0).mustQuery("SELECT 1")
	ts.Reload(accountsOf(t, map[string]string{"same": "a"}), nil) // without its privilege
	same.expectEOF()
	if err := ts.Close(); err != nil {
		t.Fatal(err)
	}
	if ends := ts.Stats().DumpEnds; ends["account"] != 3 {
		t.Errorf("%v", ends)
	}
}

// A login that was under way when its account was removed must not outlive it.
func TestALoginUnderAReloadDoesNotSurviveIt(t *testing.T) {
	ts := startServer(t, nil)
	c := dialRaw(t, ts.addr)
	greeting := c.greeting()
	ts.Reload(accountsOf(t, map[string]string{"other": "x"}), nil) // the login keeps the accounts that it began with
	c.prove(greeting, testUser, testPassword, 0)
	c.expectEOF() // without an OK
	if err := ts.Close(); err != nil {
		t.Fatal(err)
	}
	if s := ts.Stats(); s.AuthFailures["ended"] != 1 || s.LoggedIn != 0 {
		t.Errorf("%+v", s)
	}
}

func TestReloadedCertificatesAreForNewConnections(t *testing.T) {
	before, after := issue(t), issue(t)
	ts := startServer(t, func(o *Options) { o.TLS = before.load(t, TLSRequired) })
	accounts := ts.settings.Load().accounts
	old := dialRaw(t, ts.addr)
	old.startTLS(before.client(t, false))
	greetedBefore := dialRaw(t, ts.addr)
	greetedBefore.read()

	ts.Reload(accounts, after.load(t, TLSRequired))
	if err := pingOverTLS(t, ts.addr, testUser, testPassword, after.client(t, false)); err != nil {
		t.Error(err)
	}
	if err := pingOverTLS(t, ts.addr, testUser, testPassword, before.client(t, false)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("the old authority: %v", err)
	}
	ts.Reload(accounts, nil)
	connect(t, ts, 0).mustQuery("SELECT 1") // TLS is off now
	if err := old.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	response := wire.HandshakeResponse{Capabilities: rawCapabilities | wire.CapSSL, User: testUser, Plugin: "other"}
	old.write(response.Append(nil))
	if p := old.read(); p[0] != 0xfe { // it goes on inside the TLS that it has
		t.Errorf("% x", p)
	}
}
