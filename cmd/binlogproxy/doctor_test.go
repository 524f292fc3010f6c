package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// doctor runs the command on a source at the address, and gives its diagnoses by check;
// of several of one name the worst.
func doctor(t *testing.T, dataDir, address string, flags ...string) (code int, by map[string]diagnosis) {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(testenv.ReplicationPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"doctor", "--json", "--data-dir=" + dataDir, "--source=" + address, "--user=" + testenv.ReplicationUser,
		"--password-file=" + password, "--server-id=4711", "--listen=off"}, flags...)
	code, out, errs := command(args...)
	worse := map[string]int{checkOK: 0, checkWarn: 1, checkFail: 2}
	by = map[string]diagnosis{}
	for line := range strings.Lines(out) {
		var d diagnosis
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%q: %v, %s", line, err, errs)
		}
		if had, ok := by[d.Check]; !ok || worse[d.Result] > worse[had.Result] {
			by[d.Check] = d
		}
	}
	return code, by
}

func TestDoctorOnASoundSourceAndOnEachThatIsNot(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr())
	load(t, primary, 20, workload.Options{})
	caughtUp(t, d, primary)
	data := filepath.Dir(d.SourceDir())
	expect := func(check, result, words string, flags ...string) {
		t.Helper()
		code, by := doctor(t, data, primary.Addr(), flags...)
		if got := by[check]; got.Result != result || !strings.Contains(got.Message, words) || (got.Advice == "") != (result == checkOK) {
			t.Errorf("%s: %+v, expected %s: %q", check, got, result, words)
		}
		if failed := result == checkFail; failed != (code != exitOK) {
			t.Errorf("%s: exit code %d with %q", check, code, result)
		}
	}

	number := numberOf(t, primary)
	code, by := doctor(t, data, primary.Addr())
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for _, e := range examinations {
		if e.asks != asksBucket && by[e.name].Result != checkOK {
			t.Errorf("of a sound source: %+v", by[e.name])
		}
	}
	if by["data-dir"].Result == checkFail || by["configuration"].Result != checkOK {
		t.Errorf("%+v, %+v", by["data-dir"], by["configuration"])
	}

	expect("source", checkFail, "1045", "--user=nobody")
	expect("source", checkFail, "connect", "--source=127.0.0.1:1")
	expect("tls", checkWarn, "is believed", "--ssl-mode=required")
	expect("server-id", checkFail, "source's own", "--server-id="+number)
	// A later flag counts: for another data directory the daemon is just another replica.
	expect("server-id", checkFail, "in use by the replica", "--data-dir="+t.TempDir(), "--server-id=4242")
	for _, change := range []struct{ do, undo, check, result, words string }{
		{"REVOKE REPLICATION CLIENT ON *.* FROM repl@'%'", "GRANT REPLICATION CLIENT ON *.* TO repl@'%'", "grants", checkFail, "REPLICATION CLIENT"},
		{"REVOKE REPLICATION SLAVE ON *.* FROM repl@'%'", "GRANT REPLICATION SLAVE ON *.* TO repl@'%'", "grants", checkFail, "REPLICATION SLAVE"},
		{"SET GLOBAL server_id = 0", "SET GLOBAL server_id = " + number, "binlog", checkFail, "server_id 0"},
		{"SET GLOBAL binlog_format = 'MIXED'", "SET GLOBAL binlog_format = 'ROW'", "binlog", checkWarn, "binlog_format"},
		{"SET GLOBAL binlog_expire_logs_seconds = 60", "SET GLOBAL binlog_expire_logs_seconds = 86400", "retention", checkWarn, "1m0s"},
	} {
		execute(t, primary, change.do)
		expect(change.check, change.result, change.words)
		execute(t, primary, change.undo)
	}

	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	execute(t, primary, "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
	expect("retention", checkWarn, "2 files behind")
	execute(t, primary, "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 HOUR")
	expect("retention", checkFail, "any more")

	restart(t, d) // which records the gap
	caughtUp(t, d, primary)
	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	expect("archive", checkWarn, "1 gaps")
	timeline, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(timeline, "binlog.000001")
	if err := os.Rename(held, held+".away"); err != nil {
		t.Fatal(err)
	}
	expect("archive", checkFail, "binlog.000001 is missing")
	if err := os.WriteFile(filepath.Join(timeline, "catalog"), []byte("nonsense\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("archive", checkFail, "damage in")
}

func numberOf(t *testing.T, primary *testenv.MySQL) string {
	t.Helper()
	var id string
	if err := primary.DB().QueryRowContext(t.Context(), "SELECT @@server_id").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// What depends on the time is asked with a clock of our own.
func TestDoctorComparesClocksAndCertificates(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	conn, err := dial.Open(t.Context(), dial.Options{Addr: primary.Addr(), User: testenv.ReplicationUser, Password: testenv.ReplicationPassword, TLS: dial.TLS{Mode: dial.SSLRequired}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, c := range []struct {
		shift   time.Duration
		examine func(context.Context, *patient) diagnosis
		result  string
	}{
		{0, examineClock, checkOK}, {time.Minute, examineClock, checkWarn}, {-time.Minute, examineClock, checkWarn},
		{100 * 365 * 24 * time.Hour, examineTLS, checkFail},
		{time.Until(conn.CertificateEnd()) - time.Hour, examineTLS, checkWarn},
	} {
		p := &patient{conn: conn, now: func() time.Time { return time.Now().Add(c.shift) }}
		if d := c.examine(t.Context(), p); d.Result != c.result {
			t.Errorf("%s off: %+v, expected %s", c.shift, d, c.result)
		}
	}
}

func TestDoctorLooksAtTheDataDirectory(t *testing.T) {
	dir := t.TempDir()
	file, open := filepath.Join(dir, "file"), filepath.Join(dir, "open")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct{ result, words string }{
		file: {checkFail, "cannot be used"}, filepath.Join(dir, "none"): {checkWarn, "does not exist"}, open: {checkWarn, "by others"},
	} {
		if d := examineDisk(path)[0]; d.Result != want.result || !strings.Contains(d.Message, want.words) {
			t.Errorf("%s: %+v", path, d)
		}
	}
	if d := examineSync(filepath.Join(dir, "none"), time.Now); d.Result != checkFail {
		t.Errorf("where nothing can be written: %+v", d)
	}
	clock := time.Now()
	slow := func() time.Time { clock = clock.Add(2 * slowSync); return clock }
	if d := examineSync(open, slow); d.Result != checkWarn || !strings.Contains(d.Message, "an fsync takes 40ms") {
		t.Errorf("a slow disk: %+v", d)
	}
	if left, err := os.ReadDir(open); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if d := examineSpace(smallDisk(t)); d.Result != checkFail {
		t.Errorf("a small disk: %+v", d)
	}
}

func TestDoctorRefusesAConfigurationWithMistakes(t *testing.T) {
	if code, _, errs := command("doctor", "--source=db"); code != exitUsage || !strings.Contains(errs, "data-dir") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
