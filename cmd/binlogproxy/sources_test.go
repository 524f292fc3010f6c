package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/faults"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// fleet is a daemon with a configuration file that a test may change.
type fleet struct {
	*child.Daemon
	dir, file string
	lastID    int
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := &fleet{dir: filepath.Join(dir, "data"), file: filepath.Join(dir, "c.yaml"), lastID: 4600}
	f.Daemon, err = child.New(child.Options{Binary: path, DataDir: f.dir, ConfigFile: f.file, Password: testenv.ReplicationPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", f.Tail())
		}
		if strings.Contains(f.Tail(), "WARNING: DATA RACE") {
			t.Errorf("data race in the daemon:\n%s", f.Tail())
		}
	})
	return f
}

// source is an entry of the configuration file; later keys may follow it.
func (f *fleet) source(name, address, listen string) string {
	f.lastID++
	return fmt.Sprintf("  - {name: %s, address: %q, user: %s, server-id: %d, heartbeat: 10s, reconnect-max: 1s, listen: %q,"+
		" accounts: [{user: %s, password-env: %s}], password-env: %s}\n",
		name, address, testenv.ReplicationUser, f.lastID, listen, testenv.ReplicationUser, listenPasswordVariable, passwordVariable)
}

func (f *fleet) write(t *testing.T, sources ...string) {
	t.Helper()
	if err := os.WriteFile(f.file, []byte("sources:\n"+strings.Join(sources, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) reload(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(f.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// until waits for a state of one source.
func (f *fleet) until(t *testing.T, name, what string, condition func(SourceStatus) bool) (found SourceStatus) {
	t.Helper()
	eventually(t, "source "+name+" "+what, func() (bool, string) {
		st, err := status(t, f.Daemon)
		for _, s := range st.Sources {
			if s.Name == name && condition(s) {
				found = s
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v, %v", st, err)
	})
	return found
}

func isReady(s SourceStatus) bool { return s.Ready }

// holdsAll waits until a source has all that its primary has, and compares.
func (f *fleet) holdsAll(t *testing.T, name string, primary *testenv.MySQL) {
	t.Helper()
	end, err := proof.End(t.Context(), primary)
	if err != nil {
		t.Fatal(err)
	}
	f.until(t, name, "at "+end, func(s SourceStatus) bool { return s.Published == end && s.Durable == end })
	dir, err := proof.TimelineDir(filepath.Join(f.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	table, err := proof.Files(t.Context(), primary, dir)
	if err != nil || !table.Equal() {
		t.Fatalf("%+v %v", table, err)
	}
}

// reserved is an address of loopback that nobody else gets while the test runs.
func reserved(t *testing.T) string {
	t.Helper()
	port, release, err := testenv.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return fmt.Sprint("127.0.0.1:", port)
}

func TestASourceThatFailsDoesNotDisturbTheOthers(t *testing.T) {
	one := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "one"})
	two := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "two"})
	f := newFleet(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	locked, err := archive.Open(t.Context(), archive.Options{Dir: filepath.Join(f.dir, "locked")})
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	if err := os.MkdirAll(filepath.Join(f.dir, "damaged"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "damaged", "source.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.write(t, f.source("good", one.Addr(), reserved(t)), f.source("other", two.Addr(), reserved(t)),
		f.source("unreachable", "127.0.0.1:1", reserved(t)), f.source("damaged", one.Addr(), reserved(t)),
		strings.Replace(f.source("refused", one.Addr(), reserved(t)), "user: "+testenv.ReplicationUser, "user: nobody", 1),
		f.source("locked", one.Addr(), reserved(t)), f.source("busy", one.Addr(), busy.Addr().String()))
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"good", "other"} {
		f.until(t, name, "ready", isReady)
	}
	for name, want := range map[string]SourceStatus{
		"damaged": {State: "failed", ExitCode: exitDamage, LastError: "source.json"},
		"locked":  {State: "failed", ExitCode: exitFenced, LastError: "LOCK"},
		"refused": {State: "stopped", ExitCode: exitUnreachable, LastError: "Access denied"},
	} {
		f.until(t, name, want.State, func(s SourceStatus) bool {
			return s.State == want.State && s.ExitCode == want.ExitCode && strings.Contains(s.LastError, want.LastError) && !s.Ready
		})
	}
	f.until(t, "unreachable", "waiting", func(s SourceStatus) bool { return s.State == "waiting" && s.LastError != "" })
	f.until(t, "busy", "received and not served", func(s SourceStatus) bool {
		return s.State == "receiving" && !s.Ready && s.ExitCode == exitFailure && strings.Contains(s.LastError, "in use")
	})
	if v := scrape(t, f.Daemon); v[`binlogproxy_source_stopped{source="damaged"}`] != exitDamage || v[`binlogproxy_source_ready{source="good"}`] != 1 ||
		v[`binlogproxy_source_state{source="locked",state="failed"}`] != 1 || v[`binlogproxy_source_state{source="locked",state="receiving"}`] != 0 {
		t.Errorf("metrics: %v", v)
	}
	load(t, one, 20, workload.Options{})
	load(t, two, 20, workload.Options{})
	f.holdsAll(t, "good", one)
	f.holdsAll(t, "other", two)

	// What passes is noticed without anybody's help.
	busy.Close()
	if err := locked.Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, one, "CREATE USER nobody@'%' IDENTIFIED BY '"+testenv.ReplicationPassword+"'", "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO nobody@'%'")
	for _, name := range []string{"busy", "locked", "refused"} {
		f.until(t, name, "ready", isReady)
	}

	execute(t, two, "RESET BINARY LOGS AND GTIDS")
	f.until(t, "other", "stopped", func(s SourceStatus) bool { return s.State == "stopped" && s.ExitCode == exitHistory })
	load(t, one, 20, workload.Options{})
	f.holdsAll(t, "good", one)
	if st, err := status(t, f.Daemon); err != nil || st.Ready || st.Sources[0].Connects != 1 {
		t.Errorf("the good source was disturbed: %+v, %v", st, err)
	}
}

func TestAFullDiskOfOneSourceIsNotTheOthers(t *testing.T) {
	disk := smallDisk(t)
	one := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "one"})
	f := newFleet(t)
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(disk, filepath.Join(f.dir, "small")); err != nil {
		t.Fatal(err)
	}
	f.write(t, f.source("good", one.Addr(), reserved(t)), f.source("small", one.Addr(), reserved(t)))
	restart(t, f.Daemon)
	ballast := filepath.Join(disk, "ballast")
	if err := faults.Fill(ballast); err != nil {
		t.Fatal(err)
	}
	load(t, one, 10, workload.Options{BigEvery: 2, BigBytes: 2 << 20})
	f.until(t, "small", "stalled", func(s SourceStatus) bool { return s.Stalled && !s.Ready })
	f.holdsAll(t, "good", one)
	if s := f.until(t, "good", "ready", isReady); s.Connects != 1 {
		t.Errorf("the good source was disturbed: %+v", s)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	f.until(t, "small", "ready", isReady)
}

func TestAStartAtWhichEverySourceFailsEndsRun(t *testing.T) {
	one := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "one"})
	f := newFleet(t)
	wrong := func(s string) string { return strings.Replace(s, "user: "+testenv.ReplicationUser, "user: nobody", 1) }
	f.write(t, wrong(f.source("a", one.Addr(), reserved(t))), wrong(f.source("b", one.Addr(), reserved(t))))
	exitsWith(t, f.Daemon, exitUnreachable, "source a:", "source b:", "Access denied")
}

func TestAReloadTouchesWhatHasChangedAndNothingElse(t *testing.T) {
	one := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "one"})
	two := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "two"})
	replica := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica", Args: []string{"--read-only=ON"}})
	f := newFleet(t)
	address := f.Listen()
	kept, second := f.source("kept", one.Addr(), address), f.source("second", two.Addr(), reserved(t))
	f.write(t, kept)
	restart(t, f.Daemon)
	if err := replica.ReplicateFrom(t.Context(), throughProxy(f.Daemon)); err != nil {
		t.Fatal(err)
	}
	load(t, one, 10, workload.Options{})
	inStep(t, one, replica)
	dump := f.until(t, "kept", "dumped", func(s SourceStatus) bool { return len(s.Downstream) == 1 }).Downstream[0]
	// sameDump proves that the dump goes on and is the one of the beginning.
	sameDump := func(connects uint64) {
		t.Helper()
		load(t, one, 5, workload.Options{})
		inStep(t, one, replica)
		s := f.until(t, "kept", "ready", isReady)
		if len(s.Downstream) != 1 || s.Downstream[0].ConnectionID != dump.ConnectionID || s.Connects != connects {
			t.Fatalf("the dump was disturbed: %+v", s)
		}
	}

	f.write(t, kept, second) // added
	f.reload(t)
	f.until(t, "second", "ready", isReady)
	sameDump(1)

	accounts := strings.Replace(kept, "accounts: [", "accounts: [{user: more, password-env: "+listenPasswordVariable+"}, ", 1)
	f.write(t, accounts, second) // in place
	f.reload(t)
	eventually(t, "the account that was added", func() (bool, string) {
		err := downstream(t, address, "more", testenv.ReplicationPassword).PingContext(t.Context())
		return err == nil, fmt.Sprint(err)
	})
	sameDump(1)

	before := *f.until(t, "kept", "ready", isReady).ConnectedSince
	f.write(t, strings.Replace(kept, "heartbeat: 10s", "heartbeat: 9s", 1), second) // another connection to the source
	f.reload(t)
	f.until(t, "kept", "connected anew", func(s SourceStatus) bool { return s.Ready && s.ConnectedSince.After(before) })
	sameDump(1) // of the new receiver
	eventually(t, "the account that was removed", func() (bool, string) {
		err := downstream(t, address, "more", testenv.ReplicationPassword).PingContext(t.Context())
		return err != nil && strings.Contains(err.Error(), "1045"), fmt.Sprint(err)
	})

	broken := strings.Replace(kept, "server-id", "server_id", 1) + "http: {listen: nowhere}\n"
	f.write(t, broken) // a mistake
	f.reload(t)
	eventually(t, "the mistake in the status", func() (bool, string) {
		st, err := status(t, f.Daemon)
		return err == nil && !st.Reload.Successful && strings.Contains(st.Reload.Error, "server_id") && len(st.Sources) == 2, fmt.Sprintf("%+v, %v", st, err)
	})
	if v := scrape(t, f.Daemon); v["binlogproxy_config_last_reload_successful"] != 0 || v["binlogproxy_config_last_reload_success_timestamp_seconds"] == 0 {
		t.Errorf("metrics of the reload: %v", v)
	}
	sameDump(1)

	moved := reserved(t)
	f.write(t, strings.Replace(strings.Replace(kept, "heartbeat: 10s", "heartbeat: 9s", 1), address, moved, 1)) // removed, and another address
	f.reload(t)
	eventually(t, "the source being gone, and served elsewhere", func() (bool, string) {
		st, err := status(t, f.Daemon)
		return err == nil && len(st.Sources) == 1 && st.Sources[0].Listen == moved && st.Reload.Successful, fmt.Sprintf("%+v, %v", st, err)
	})
	if err := downstream(t, moved, testenv.ReplicationUser, testenv.ReplicationPassword).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	if s := f.until(t, "kept", "ready", isReady); s.Connects != 1 {
		t.Errorf("the connection to the source was not kept: %+v", s)
	}
	response, err := http.Get("http://" + f.HTTP() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %s", response.Status)
	}
	if code, err := f.Stop(); code != exitOK || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
}
