package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// scrape reads /metrics: values by name with labels.
func scrape(t *testing.T, d *child.Daemon) map[string]float64 {
	t.Helper()
	response, err := http.Get("http://" + d.HTTP() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(name, "binlogproxy_") {
			values[name] = v
		}
	}
	return values
}

func TestMetricsMoveWithWhatTheyMeasure(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr(), "--heartbeat=500ms")
	before := scrape(t, d)
	load(t, primary, 50, workload.Options{})
	execute(t, primary, "FLUSH BINARY LOGS")
	caughtUp(t, d, primary)
	if db, err := primary.OpenDB("nobody", "wrong", ""); err != nil {
		t.Fatal(err)
	} else {
		_ = db.Close()
	}
	rejected(t, d)
	fetch(t, primary, d, "metrics", "binlog.000001", "--read-from-remote-server")
	replica := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica", Args: []string{"--read-only=ON"}})
	if err := replica.ReplicateFrom(t.Context(), throughProxy(d)); err != nil {
		t.Fatal(err)
	}
	inStep(t, primary, replica)
	st, err := status(t, d)
	if _, out, _ := command("status", "--http="+d.HTTP()); err != nil || st.Sources[0].Server.TLS != "off" || !strings.Contains(out, " without TLS, server_id ") {
		t.Errorf("%+v, %v\n%s", st, err, out)
	}
	after := scrape(t, d)
	const s = `{source="main"}`
	for _, name := range []string{
		"source_received_bytes_total" + s, "source_events_total" + s, "source_transactions_total" + s, "source_file_number" + s,
		"source_last_heard_timestamp_seconds" + s, "log_file_number" + s, "log_bytes" + s,
		"log_files" + s, "log_fsync_duration_seconds_count" + s, "server_replicas" + s,
		`server_auth_failures_total{reason="denied",source="main"}`, `server_replica_disconnects_total{reason="done",source="main"}`,
		`server_connections{source="main",state="logged_in"}`,
	} {
		if name = "binlogproxy_" + name; after[name] <= before[name] {
			t.Errorf("%s went from %v to %v", name, before[name], after[name])
		}
	}
	const last = "binlogproxy_source_last_event_timestamp_seconds" + s // in whole seconds
	if after[last] < before[last] || after[last] == 0 {
		t.Errorf("%s went from %v to %v", last, before[last], after[last])
	}
	for name, want := range map[string]float64{
		"source_connected": 1, "source_ready": 1, "source_stopped": 0, "source_connects_total": 1, "source_gap_detected": 0, "log_stalled": 0,
		"log_truncated_bytes_total": 0, "log_fsync_failures_total": 0, "source_lag_bytes": 0,
		"log_durable_bytes": after["binlogproxy_source_position_bytes"+s], "log_published_bytes": after["binlogproxy_source_position_bytes"+s],
	} {
		if got := after["binlogproxy_"+name+s]; got != want {
			t.Errorf("%s is %v, not %v", name, got, want)
		}
	}
	if err := primary.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the metrics saying that the source is gone", func() (bool, string) {
		now := scrape(t, d)
		lost := 0.0
		for name, v := range now {
			if strings.HasPrefix(name, "binlogproxy_source_disconnects_total") {
				lost += v
			}
		}
		return now["binlogproxy_source_connected"+s] == 0 && now["binlogproxy_source_ready"+s] == 0 && lost > 0, fmt.Sprint(now)
	})
	for path, want := range map[string]int{"/livez": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
		response, err := http.Get("http://" + d.HTTP() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s answers %d %s", path, response.StatusCode, body)
		}
	}
}

// rejected logs in with a wrong password.
func rejected(t *testing.T, d *child.Daemon) {
	t.Helper()
	code, _, _ := command("status", "--http="+d.HTTP())
	if code != exitOK {
		t.Errorf("status: exit code %d", code)
	}
	db := downstream(t, d.Listen(), testenv.ReplicationUser, "not the password")
	if err := db.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "1045") {
		t.Errorf("a wrong password: %v", err)
	}
}

func TestOneFileConfiguresSeveralSourcesAndAccounts(t *testing.T) {
	one := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "one"})
	two := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "two"})
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	listen := [2]string{}
	for i := range listen {
		port, release, err := testenv.ReservePort()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(release)
		listen[i] = fmt.Sprint("127.0.0.1:", port)
	}
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	file := write("c.yaml", fmt.Sprintf(`
sources:
  - {name: one, address: "%s", user: %s, password-file: %s, server-id: 901, listen: "%s", accounts: [{user: a, password-file: %s}, {user: b, password-env: TEST_B}]}
  - {name: two, address: "%s", user: %s, password-env: TEST_SOURCE, server-id: 902, listen: "%s", accounts: [{user: a, password-env: TEST_B}]}
`, one.Addr(), testenv.ReplicationUser, write("source", testenv.ReplicationPassword+"\n"), listen[0], write("a", "a's"),
		two.Addr(), testenv.ReplicationUser, listen[1]))
	t.Setenv("TEST_B", "b's")
	t.Setenv("TEST_SOURCE", testenv.ReplicationPassword)
	d, err := child.New(child.Options{Binary: path, DataDir: filepath.Join(dir, "data"), ConfigFile: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(d.Tail())
		}
	})
	restart(t, d)
	for _, login := range []struct {
		listen, user, password string
		id                     uint32
	}{
		{listen[0], "a", "a's", one.ServerID()}, {listen[0], "b", "b's", one.ServerID()}, {listen[1], "a", "b's", two.ServerID()},
	} {
		var id uint32
		if err := downstream(t, login.listen, login.user, login.password).QueryRowContext(t.Context(), "SELECT @@server_id").Scan(&id); err != nil || id != login.id {
			t.Errorf("%+v: server_id %d, %v", login, id, err)
		}
	}
	if err := downstream(t, listen[1], "b", "b's").PingContext(t.Context()); err == nil {
		t.Error("an account of one source is good for the other")
	}
	st, err := status(t, d)
	if err != nil || len(st.Sources) != 2 || st.Sources[0].Name != "one" || st.Sources[1].Name != "two" || !st.Ready {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestEnvironmentCompletesAFileOfOneSource(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "data-dir: /d\nexit-on-stop: true\nsources: [{address: db, user: u, server-id: 1, accounts: [{user: r}]}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(passwordVariable, "p")
	t.Setenv(listenPasswordVariable, "l")
	no := false
	c, err := (&runFlags{Config: file, ExitOnStop: &no}).configuration()
	if err != nil {
		t.Fatal(err)
	}
	s := c.Sources[0]
	if s.Password.Env != passwordVariable || s.Accounts[0].Password.Env != listenPasswordVariable || c.ExitOnStop {
		t.Errorf("%+v", c)
	}
	if _, err := (&runFlags{Config: file, ListenUser: "x"}).configuration(); err == nil || exitCode(err) != exitUsage {
		t.Errorf("--listen-user beside accounts of the file: %v", err)
	}
}

// A client that reads nothing must not keep the daemon from ending.
func TestTerminationTakesTenSecondsAtMost(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr())
	load(t, primary, 10, workload.Options{BigEvery: 2, BigBytes: 24 << 20})
	caughtUp(t, d, primary)
	host, port := d.Endpoint()
	// A client in the container, frozen in the middle of its dump.
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_, _, _, _ = primary.Exec(t.Context(), "bash", "-c", fmt.Sprintf(
			"mysqlbinlog --no-defaults -R --raw --stop-never --to-last-log --result-file=/tmp/frozen- --protocol=tcp --host=%s --port=%d --user=%s --password=%s --get-server-public-key binlog.000001 & sleep 0.3; kill -STOP $!; sleep 30; kill -KILL $!",
			host, port, testenv.ReplicationUser, testenv.ReplicationPassword))
	}()
	eventually(t, "the dump", func() (bool, string) {
		st, err := status(t, d)
		return err == nil && len(st.Sources[0].Downstream) == 1, fmt.Sprint(err)
	})
	code, err := d.Stop() // it allows ten seconds and a little
	if code != exitOK || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	if err := primary.Kill(t.Context()); err != nil { // ends the frozen client
		t.Fatal(err)
	}
	<-stopped
}

func TestACommandCutShortBySignalsSaysSo(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		process, err := os.StartProcess(path, []string{path, "status", "--timeout=1m", "--http=" + silent.Addr().String()}, &os.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		asked, err := silent.Accept() // it is waiting for the answer now
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		state, err := process.Wait()
		asked.Close()
		if err != nil || state.ExitCode() != want {
			t.Errorf("%s: %v, %v; want exit code %d", signal, state, err, want)
		}
	}
}
