package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// command runs a command of the binary itself, in this process.
func command(args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = start(args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestMistakesOnTheCommandLineAreNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	write := func(text string) string {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	full := []string{"run", "--data-dir=" + t.TempDir(), "--source=127.0.0.1:1", "--user=u", "--server-id=1", "--listen-user=r"}
	for _, c := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"no command", nil, []string{"expected one of"}},
		{"unknown command", []string{"rum"}, []string{"rum"}},
		{"unknown flag", append(full, "--sourec=x"), []string{"--sourec"}},
		{"nothing given", []string{"run"}, []string{"data-dir", "sources"}},
		{"several mistakes at once", []string{"run", "--source=nowhere:x", "--on-gap=perhaps", "--data-dir=" + t.TempDir()},
			[]string{"address", "user", "server-id", "on-gap", "accounts"}},
		{"server id 0", append(full, "--server-id=0", "--listen=off"), []string{"server-id"}},
		{"server id too large", append(full, "--server-id=4294967296"), []string{"server-id"}},
		{"unknown key", []string{"run", "--config=" + write("data-dir: /x\nsuorces: []\n")}, []string{`unknown key "suorces"`, "line 2"}},
		{"missing file", []string{"run", "--config=/no/such/file.yaml"}, []string{"/no/such/file.yaml"}},
		{"missing password file", append(full, "--password-file=/no/such/secret"), []string{"/no/such/secret"}},
		{"password on the command line", append(full, "--password=x"), []string{"unknown flag --password"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, errs := command(c.args...)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			for _, word := range c.words {
				if !strings.Contains(errs, word) {
					t.Errorf("%q does not mention %q", errs, word)
				}
			}
		})
	}
}

func TestSourcesThatCannotBeFollowedEndRunWithTheirCode(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	t.Run("wrong password", func(t *testing.T) {
		d := withPassword(t, primary.Addr(), testenv.ReplicationUser, "wrong")
		exitsWith(t, d, exitUnreachable, "Access denied")
		if strings.Contains(d.Tail(), "wrong") {
			t.Errorf("the log has the password:\n%s", d.Tail())
		}
	})
	t.Run("missing grants", func(t *testing.T) {
		execute(t, primary, "CREATE USER nothing@'%' IDENTIFIED BY 'pw'", "CREATE USER client@'%' IDENTIFIED BY 'pw'", "GRANT REPLICATION CLIENT ON *.* TO client@'%'")
		exitsWith(t, withPassword(t, primary.Addr(), "nothing", "pw"), exitUnreachable, "GRANT REPLICATION")
		exitsWith(t, withPassword(t, primary.Addr(), "client", "pw"), exitUnreachable, "REPLICATION SLAVE")
	})
	t.Run("our server_id is the source's", func(t *testing.T) {
		exitsWith(t, newDaemon(t, primary.Addr(), fmt.Sprint("--server-id=", primary.ServerID())), exitUsage, "server_id")
	})
	t.Run("our server_id is another replica's", func(t *testing.T) {
		first := startDaemon(t, primary.Addr(), "--server-id=777")
		exitsWith(t, newDaemon(t, primary.Addr(), "--server-id=777"), exitUsage, "777")
		if err := first.WaitReady(t.Context()); err != nil {
			t.Error("the first one was disturbed:", err)
		}
	})
	t.Run("no binlog", func(t *testing.T) {
		silent := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "no-binlog", Args: []string{"--skip-log-bin"}})
		exitsWith(t, newDaemon(t, silent.Addr()), exitUsage, "binlog")
	})
}

// withPassword prepares a daemon that logs in as somebody else.
func withPassword(t *testing.T, source, user, password string) *child.Daemon {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	d, err := child.New(child.Options{Binary: path, DataDir: filepath.Join(t.TempDir(), "data"), Source: source, User: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Kill(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestADataDirectoryHasOneSourceAndOneWriter(t *testing.T) {
	one := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "one"})
	other := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "other"})
	d := startDaemon(t, one.Addr())
	dir := filepath.Dir(d.SourceDir())
	exitsWith(t, newDaemon(t, one.Addr(), "--data-dir="+dir), exitFenced, "LOCK", dir)
	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	before := contents(t, d)
	exitsWith(t, newDaemon(t, other.Addr(), "--data-dir="+dir), exitHistory, "history of")
	if after := contents(t, d); !bytes.Equal(before, after) {
		t.Error("the other source changed what was held")
	}
}

// contents is all bytes of the binlog files that a daemon holds.
func contents(t *testing.T, d *child.Daemon) []byte {
	t.Helper()
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "binlog.[0-9]*[0-9]"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func TestPlacesThatCannotBeUsedAreNamed(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	nowhere := "127.0.0.1:1" // never asked: these mistakes are found before
	exitsWith(t, newDaemon(t, nowhere, "--listen="+busy.Addr().String()), exitFailure, busy.Addr().String(), "in use")
	exitsWith(t, newDaemon(t, nowhere, "--http-listen="+busy.Addr().String()), exitFailure, busy.Addr().String(), "in use")
	exitsWith(t, newDaemon(t, nowhere, "--data-dir=/proc/binlogproxy"), exitFailure, "/proc/binlogproxy")
}

func TestDamageBelowTheMarkIsNamedAndNothingIsCut(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr())
	load(t, primary, 50, workload.Options{})
	caughtUp(t, d, primary)
	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	files, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, files[len(files)-1].Name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	exitsWith(t, d, exitDamage, path, "offset")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, b) {
		t.Errorf("the damaged file was changed: %v", err)
	}
}

func TestPurgedFilesAreARecordedGap(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr())
	load(t, primary, 20, workload.Options{})
	caughtUp(t, d, primary)
	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	load(t, primary, 20, workload.Options{})
	execute(t, primary, "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
	files, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	execute(t, primary, "PURGE BINARY LOGS TO '"+files[len(files)-1].Name+"'")

	stopper := newDaemon(t, primary.Addr(), "--on-gap=stop", "--data-dir="+filepath.Dir(d.SourceDir()))
	exitsWith(t, stopper, exitGap, "no longer has", "on-gap")

	restart(t, d)
	load(t, primary, 20, workload.Options{})
	caughtUp(t, d, primary)
	st, err := status(t, d)
	if err != nil {
		t.Fatal(err)
	}
	s := st.Sources[0]
	if len(s.Gaps) != 1 || s.Gaps[0].Missing == "" || s.Gaps[0].Next != files[len(files)-1].Name {
		t.Fatalf("%+v", s.Gaps)
	}
	var whole string
	err = primary.DB().QueryRowContext(t.Context(), "SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, ?)", s.Gaps[0].Missing).Scan(&whole)
	if err != nil {
		t.Fatal(err)
	}
	if line := proof.GTIDs("gtid_executed", s.Executed, whole); !line.Equal {
		t.Errorf("what is held is not what the primary has less the gap: %s", line.Detail)
	}

	replica := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica", Args: []string{"--read-only=ON"}})
	if err := replica.ReplicateFrom(t.Context(), throughProxy(d)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica being told that GTIDs are purged", func() (bool, string) {
		st, err := replica.ReplicaStatus(t.Context())
		return err == nil && strings.Contains(st["Last_IO_Error"], "purged required binary logs"), fmt.Sprint(st["Last_IO_Error"], err)
	})
}

func TestAnotherHistoryStopsTheSourceAndChangesNothing(t *testing.T) {
	words := map[string]string{"longer than ours": "another history", "shorter than ours": "has lost its end or began anew"}
	for name, after := range map[string]func(t *testing.T, primary *testenv.MySQL){
		"longer than ours":  func(t *testing.T, primary *testenv.MySQL) { load(t, primary, 200, workload.Options{}) },
		"shorter than ours": func(*testing.T, *testenv.MySQL) {},
	} {
		t.Run(name, func(t *testing.T) {
			primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
			d := startDaemon(t, primary.Addr())
			load(t, primary, 30, workload.Options{})
			caughtUp(t, d, primary)
			if _, err := d.Stop(); err != nil {
				t.Fatal(err)
			}
			before := contents(t, d)
			execute(t, primary, "RESET BINARY LOGS AND GTIDS")
			after(t, primary)
			exitsWith(t, d, exitHistory, words[name])
			if !bytes.Equal(before, contents(t, d)) {
				t.Error("what is held was changed")
			}
		})
	}
}

func TestALaterStopLeavesTheDaemonServing(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr())
	load(t, primary, 30, workload.Options{})
	caughtUp(t, d, primary)
	held := contents(t, d)
	execute(t, primary, "RESET BINARY LOGS AND GTIDS")
	eventually(t, "the source being stopped", func() (bool, string) {
		st, err := status(t, d)
		return err == nil && st.Sources[0].State == "stopped", fmt.Sprintf("%+v %v", st, err)
	})
	code, out, errs := command("status", "--http="+d.HTTP())
	if code != exitHistory || !strings.Contains(errs, "began anew") || !strings.Contains(out, "stopped") {
		t.Errorf("status: exit code %d\n%s\n%s", code, out, errs)
	}
	code, out, _ = command("status", "--http="+d.HTTP(), "--format=json")
	if code != exitHistory || !strings.Contains(out, `"exit_code": 9`) {
		t.Errorf("status in JSON: exit code %d\n%s", code, out)
	}
	prefix := fetch(t, primary, d, "stopped", "binlog.000001", "--read-from-remote-server")
	var fetched bytes.Buffer
	if err := primary.ReadFile(t.Context(), prefix+"binlog.000001", &fetched); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fetched.Bytes(), held) {
		t.Error("what is held is not served any more")
	}
}

func TestExitOnStopEndsTheProcess(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr(), "--exit-on-stop")
	execute(t, primary, "CREATE DATABASE x", "RESET BINARY LOGS AND GTIDS")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if code, err := d.Wait(ctx); err != nil || code != exitHistory {
		t.Errorf("exit code %d, %v", code, err)
	}
}

func TestAFullDiskStopsReceivingAndNothingElse(t *testing.T) {
	dir := smallDisk(t)
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr(), "--data-dir="+dir, "--heartbeat=500ms", "--reconnect-max=1s")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	load(t, primary, 10, workload.Options{BigEvery: 2, BigBytes: 2 << 20})
	eventually(t, "the daemon saying that the disk is full", func() (bool, string) {
		st, err := status(t, d)
		return err == nil && st.Sources[0].Stalled && !st.Ready, fmt.Sprintf("%+v %v", st, err)
	})
	first, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fetch(t, primary, d, "full", first[0].Name, "--read-from-remote-server") // still served
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	caughtUpIn(t, filepath.Join(dir, "main"), d, primary)
}

// caughtUpIn waits until the daemon has everything and compares the files.
func caughtUpIn(t *testing.T, sourceDir string, d *child.Daemon, primary *testenv.MySQL) {
	t.Helper()
	caughtUp(t, d, primary)
	dir, err := proof.TimelineDir(sourceDir)
	if err != nil {
		t.Fatal(err)
	}
	table, err := proof.Files(t.Context(), primary, dir)
	if err != nil || !table.Equal() {
		t.Fatalf("%+v %v", table, err)
	}
}

// Damage in a sealed file is found by whoever reads it. That reader is not told
// 1236, everyone else is served on, and the idle source shows as stopped.
func TestDamageInASealedFileIsFoundWhenItIsRead(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr())
	load(t, primary, 50, workload.Options{})
	execute(t, primary, "FLUSH BINARY LOGS")
	caughtUp(t, d, primary)
	files, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, files[0].Name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	host, port := d.Endpoint()
	_, stderr, exit, err := primary.Exec(t.Context(), "mysqlbinlog", "--no-defaults", "-R", "--raw", "--result-file=/tmp/damaged-", "--protocol=tcp", "--host="+host,
		fmt.Sprint("--port=", port), "--user="+testenv.ReplicationUser, "--password="+testenv.ReplicationPassword, "--get-server-public-key", files[0].Name)
	if err != nil || exit == 0 || strings.Contains(stderr, "1236") {
		t.Errorf("reading the damaged file: exit code %d, %v\n%s", exit, err, stderr)
	}
	eventually(t, "the damage in the status", func() (bool, string) {
		code, out, errs := command("status", "--http="+d.HTTP())
		return code == exitDamage && strings.Contains(errs, path), out + errs
	})
	fetch(t, primary, d, "sound", files[1].Name, "--read-from-remote-server")
}
