package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// The tests of this package run the real binary, built with the race detector,
// against real servers.

var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "binlogproxy-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaryDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

var builtBinary = sync.OnceValues(func() (string, error) {
	return child.Build(context.Background(), binaryDir, true, "")
})

// newDaemon prepares a daemon that follows the address source. It is killed with
// the test, and its log is shown if that failed.
func newDaemon(t *testing.T, source string, args ...string) *child.Daemon {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	return daemonWith(t, child.Options{
		Binary: path, DataDir: filepath.Join(t.TempDir(), "data"), Source: source,
		User: testenv.ReplicationUser, Password: testenv.ReplicationPassword, Args: args,
	})
}

// daemonWith is a daemon that ends with the test.
func daemonWith(t *testing.T, options child.Options) *child.Daemon {
	t.Helper()
	d, err := child.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.Tail())
		}
		if strings.Contains(d.Tail(), "WARNING: DATA RACE") {
			t.Errorf("data race in the daemon:\n%s", d.Tail())
		}
	})
	return d
}

// startDaemon is newDaemon, started and ready.
func startDaemon(t *testing.T, source string, args ...string) *child.Daemon {
	t.Helper()
	d := newDaemon(t, source, args...)
	restart(t, d)
	return d
}

func restart(t *testing.T, d *child.Daemon) {
	t.Helper()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if err := d.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// exitsWith starts a daemon that must end by itself, with a code and a word in its log.
func exitsWith(t *testing.T, d *child.Daemon, code int, words ...string) {
	t.Helper()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := d.Wait(ctx)
	if err != nil || got != code {
		t.Fatalf("exit code %d, %v; want %d\n%s", got, err, code, d.Tail())
	}
	for _, word := range words {
		if !strings.Contains(d.Tail(), word) {
			t.Errorf("the log does not mention %q:\n%s", word, d.Tail())
		}
	}
}

// load runs a workload for a number of transactions.
func load(t *testing.T, m *testenv.MySQL, transactions int64, options workload.Options) {
	t.Helper()
	options.Seed, options.DDL, options.Formats, options.MyISAM = 1, true, true, true
	l, err := workload.Start(t.Context(), m.DB(), options)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the load", func() (bool, string) {
		return l.Transactions.Load() >= transactions, fmt.Sprint(l.Transactions.Load(), " transactions")
	})
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
}

// execute runs statements at a server.
func execute(t *testing.T, m *testenv.MySQL, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := m.DB().ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// eventually waits for a condition that some other process brings about.
func eventually(t *testing.T, what string, condition func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, state := condition()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not come about: %s", what, state)
		}
	}
}

// status asks the daemon how it is.
func status(t *testing.T, d *child.Daemon) (st Status, err error) {
	t.Helper()
	err = d.Status(t.Context(), &st)
	return st, err
}

// caughtUp waits until the daemon has published all that a primary has.
func caughtUp(t *testing.T, d *child.Daemon, m *testenv.MySQL) {
	t.Helper()
	want, err := proof.End(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon having "+want, func() (bool, string) {
		st, err := status(t, d)
		return err == nil && st.Sources[0].Published == want && st.Sources[0].Durable == want, fmt.Sprintf("%+v, %v", st, err)
	})
}

// downstream is a pool of connections to a daemon, closed with the test.
func downstream(t *testing.T, address, user, password string) *sql.DB {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd = "tcp", address, user, password
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// smallDisk mounts a disk of 24 MiB for the test. Without the right to it is skipped.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be mounted (needs root): %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}
