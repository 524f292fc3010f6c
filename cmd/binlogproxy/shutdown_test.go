package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/faults"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// A full disk and then a restart: what is held is served, also while the disk stays
// full, and the receiving goes on when there is room.
func TestARestartOnAFullDiskServesAndGoesOnWhenThereIsRoom(t *testing.T) {
	dir := smallDisk(t)
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, primary.Addr(), "--data-dir="+dir, "--heartbeat=500ms", "--reconnect-max=1s")
	load(t, primary, 20, workload.Options{})
	caughtUp(t, d, primary)
	held, err := status(t, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := faults.Fill(ballast); err != nil {
		t.Fatal(err)
	}
	load(t, primary, 10, workload.Options{BigEvery: 2, BigBytes: 2 << 20})
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon saying that the disk is full", func() (bool, string) {
		st, err := status(t, d)
		return err == nil && st.Sources[0].Stalled && !st.Ready, fmt.Sprintf("%+v %v", st, err)
	})
	// Again, stalled from before: it must end and start as ever.
	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon saying so again", func() (bool, string) {
		st, err := status(t, d)
		return err == nil && st.Sources[0].Stalled, fmt.Sprintf("%+v %v", st, err)
	})
	st, err := status(t, d)
	if err != nil || st.Sources[0].Executed == "" || st.Sources[0].Bytes < held.Sources[0].Bytes {
		t.Fatalf("less is held than before the restart: %+v, %v", st, err)
	}
	files, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fetch(t, primary, d, "full-restart", files[0].Name, "--read-from-remote-server")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	caughtUpIn(t, filepath.Join(dir, "main"), d, primary)
}
