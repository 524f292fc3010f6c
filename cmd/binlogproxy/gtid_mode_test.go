package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// The ways from one end to the other and back. A server allows single steps only,
// and begins a new file at each.
var (
	gtidModesUp   = []string{"OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"}
	gtidModesDown = []string{"ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"}
)

func setGTIDMode(t *testing.T, primary *testenv.MySQL, mode string) {
	t.Helper()
	execute(t, primary, "SET GLOBAL gtid_mode = "+mode)
}

// reconnect kills the daemon and starts it again: what it resumes with is what its
// recovery finds.
func reconnect(t *testing.T, d *child.Daemon) {
	t.Helper()
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	restart(t, d)
}

// In gtid_mode ON a source sends no anonymous transaction any more, in OFF none
// with a GTID, whoever asks and how: what is held of them cannot be compared.
func TestASourceWhoseGTIDModeChangesIsFollowedThroughReconnects(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--gtid-mode=OFF"}})
	execute(t, primary, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a TEXT)")
	write := func(a string) { execute(t, primary, "INSERT INTO d.t (a) VALUES ('"+a+"')") }
	d := startDaemon(t, primary.Addr())
	caughtUpIn(t, d.SourceDir(), d, primary)
	for _, mode := range append(gtidModesUp, gtidModesDown...) {
		setGTIDMode(t, primary, mode)
		write("first in " + mode)
		caughtUpIn(t, d.SourceDir(), d, primary)
		reconnect(t, d)
		write("after a reconnect in " + mode)
		caughtUpIn(t, d.SourceDir(), d, primary)
	}
	// All at once, while the source cannot be reached. What is held is complete.
	for _, modes := range [][]string{gtidModesUp, gtidModesDown} {
		write("the last before")
		caughtUp(t, d, primary)
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, mode := range modes {
			setGTIDMode(t, primary, mode)
		}
		write("the first behind")
		restart(t, d)
		caughtUpIn(t, d.SourceDir(), d, primary)
	}
	st, err := status(t, d)
	if err != nil || len(st.Sources[0].Gaps) != 0 {
		t.Errorf("%+v, %v", st.Sources, err)
	}
}

// What was written meanwhile is lost to us, although the source has it.
func TestTransactionsThatTheGTIDModeRefusesAreARecordedGap(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--gtid-mode=OFF"}})
	execute(t, primary, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a TEXT)")
	d := startDaemon(t, primary.Addr())
	for i, modes := range [][]string{gtidModesUp, gtidModesDown} {
		execute(t, primary, "INSERT INTO d.t (a) VALUES ('held')")
		caughtUp(t, d, primary)
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		execute(t, primary, "INSERT INTO d.t (a) VALUES ('lost')", "FLUSH BINARY LOGS", "INSERT INTO d.t (a) VALUES ('lost with the file before')")
		for _, mode := range modes {
			setGTIDMode(t, primary, mode)
		}
		execute(t, primary, "INSERT INTO d.t (a) VALUES ('sent')")
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		caughtUp(t, d, primary)
		st, err := status(t, d)
		if err != nil || len(st.Sources[0].Gaps) != 2*(i+1) {
			t.Fatalf("gaps %+v, %v", st.Sources[0].Gaps, err)
		}
		for _, gap := range st.Sources[0].Gaps[2*i:] {
			kind, missing := "anonymous", false
			if i == 1 {
				kind, missing = "with a GTID", true
			}
			if !strings.Contains(gap.Reason, kind) || (gap.Missing != "") != missing {
				t.Errorf("%+v", gap)
			}
		}
	}
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	table, err := proof.Files(t.Context(), primary, dir)
	if err != nil {
		t.Fatal(err)
	}
	cut := 0
	for _, line := range table {
		if !line.Equal {
			cut++
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "binlog.0?????")); err != nil || cut != 4 || len(files) != len(table) {
		t.Errorf("%s\n%d files, %v", fmt.Sprint(table), len(files), err)
	}
}
