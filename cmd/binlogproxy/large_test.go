//go:build large

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/composed"
)

// largeFiles gives a server a file of five transactions with an event of 1 GiB
// each, and an empty one behind it. It returns where the transactions begin.
func largeFiles(t *testing.T, m *testenv.MySQL) (starts []int64) {
	t.Helper()
	text, err := m.ServerUUID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	uuid, err := replication.ParseUUID(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "binlog.000001"), filepath.Join(dir, "binlog.000002")
	f := composed.Create(first, gtidSet(t, ""))
	for number := int64(1); number <= 5; number++ {
		starts = append(starts, f.End())
		f.Transaction(replication.GTID{UUID: uuid, Number: number}, replication.MaxEventSize)
	}
	f.Rotate("binlog.000002")
	next := composed.Create(second, gtidSet(t, text+":1-5"))
	if err := errors.Join(f.Close(), next.Close(), m.PlaceBinlogs(t.Context(), first, second), m.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	return starts
}

// TestLargeFilesAndEventsAreServedAsByMySQL puts dump commands to a real
// server with such a file and to a proxy that follows it. The proxy is not built
// with the race detector, so that its memory counts.
func TestLargeFilesAndEventsAreServedAsByMySQL(t *testing.T) {
	m := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--binlog-expire-logs-seconds=0"}})
	starts := largeFiles(t, m)
	d := plainDaemon(t, m.Addr())
	caughtUp(t, d, m)
	if want, got := binlogFiles(t, m), servedFiles(t, d); fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("SHOW BINARY LOGS: mysqld %v, proxy %v", want, got)
	}
	const name = "binlog.000001"
	uuid, err := m.ServerUUID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set := func(numbers string) *replication.GTIDSet { return gtidSet(t, uuid+":"+numbers) }
	const event = replication.MaxEventSize
	for _, c := range []struct {
		least int64 // bytes that must come
		dumpCase
	}{
		{2 * event, dumpCase{name: "file, from below 4 GiB across", command: byFile(nonBlock, name, starts[3])}},
		{event, dumpCase{name: "GTID, from above 4 GiB", command: byGTID(nonBlock, gtidSet(t, ""), name, starts[4])}},
		{0, dumpCase{name: "GTID, from above 4 GiB, skipping", command: byGTID(nonBlock, set("5"), name, starts[4])}},
		{0, dumpCase{name: "GTID, skipping up to above 4 GiB, heartbeats v1", command: byGTID(nonBlock, set("1-5"), name, 4)}},
		{0, dumpCase{name: "GTID, skipping up to above 4 GiB, heartbeats v2", command: byGTID(nonBlock|wire.DumpHeartbeatV2, set("1-5"), name, 4)}},
		{event, dumpCase{name: "GTID, the last transaction", command: byGTID(nonBlock, set("1-4"), name, 4)}},
		{0, dumpCase{name: "GTID, beyond the end", command: byGTID(nonBlock, set("1"), name, starts[4]+1<<32)}},
	} {
		c.declare = crc32
		t.Run(c.name, func(t *testing.T) {
			if got := c.compare(t, m.Addr(), d.Listen()); got < c.least {
				t.Errorf("%d bytes came, not %d", got, c.least)
			}
		})
	}
	if got := peakMemory(t, d.PID()); got > 96<<20 {
		t.Errorf("the proxy took %d MiB", got>>20)
	} else {
		t.Logf("the proxy took %d MiB", got>>20)
	}
}

func servedFiles(t *testing.T, d *child.Daemon) (files []testenv.BinlogFile) {
	t.Helper()
	rows, err := downstream(t, d.Listen(), testenv.ReplicationUser, testenv.ReplicationPassword).QueryContext(t.Context(), "SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var f testenv.BinlogFile
		var encrypted string
		if err := rows.Scan(&f.Name, &f.Size, &encrypted); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return files
}

// plainDaemon is startDaemon with a binary as users have it.
func plainDaemon(t *testing.T, source string) *child.Daemon {
	t.Helper()
	return plainDaemonOf(t, child.Options{Source: source, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword})
}

// plainDaemonOf is plainDaemon with other options.
func plainDaemonOf(t *testing.T, o child.Options) *child.Daemon {
	t.Helper()
	path, err := child.Build(t.Context(), t.TempDir(), false, "")
	if err != nil {
		t.Fatal(err)
	}
	o.Binary, o.DataDir, o.ReadyTimeout = path, filepath.Join(t.TempDir(), "data"), 5*time.Minute
	d, err := child.New(o)
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
	})
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if err := d.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory is the most that a process ever had resident, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	match := highWater.FindSubmatch(status)
	if match == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	kilobytes, err := strconv.ParseInt(string(match[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
