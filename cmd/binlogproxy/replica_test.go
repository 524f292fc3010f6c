package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// heartbeat is the period that the replicas of these tests ask for.
const heartbeat = 500 * time.Millisecond

// throughProxy is how a server follows the daemon by GTID.
func throughProxy(d *child.Daemon) testenv.SourceSpec {
	host, port := d.Endpoint()
	return testenv.SourceSpec{Host: host, Port: port, AutoPosition: true, HeartbeatSeconds: heartbeat.Seconds(), RetryCount: 86400}
}

// byPosition makes a specification one by file and position, from the first event on.
func byPosition(spec testenv.SourceSpec, file string) testenv.SourceSpec {
	spec.AutoPosition, spec.File, spec.Pos = false, file, 4
	return spec
}

// inStep waits until a replica has what the primary has.
func inStep(t *testing.T, primary, replica *testenv.MySQL) {
	t.Helper()
	set, err := primary.GTIDExecuted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := replica.WaitForGTIDs(ctx, set); err != nil {
		t.Fatal(err)
	}
}

// healthy demands that a replica never had to be told 1236 and stopped nowhere.
func healthy(t *testing.T, replica *testenv.MySQL) {
	t.Helper()
	st, err := replica.ReplicaStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st["Replica_IO_Running"] == "No" || st["Replica_SQL_Running"] != "Yes" || st["Last_SQL_Errno"] != "0" {
		t.Fatalf("%v", st)
	}
	if log := replica.LogTail(t.Context()); strings.Contains(log, "1236") || strings.Contains(log, "MY-013114") {
		t.Fatalf("error 1236 in the replica's log:\n%s", log)
	}
}

func TestReplicasSurviveWhateverHappensAroundThem(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--max-binlog-size=256K"}})
	replicas := map[string]*testenv.MySQL{
		"by GTID":     testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica-gtid", Args: []string{"--read-only=ON"}}),
		"by position": testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica-position", Args: []string{"--read-only=ON"}}),
	}
	files, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, primary.Addr(), "--heartbeat=500ms")
	attach := func(name string, spec testenv.SourceSpec) {
		if err := replicas[name].ReplicateFrom(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	attach("by GTID", throughProxy(d))
	attach("by position", byPosition(throughProxy(d), files[0].Name))

	checked := func(what string) {
		t.Helper()
		for name, r := range replicas {
			inStep(t, primary, r)
			healthy(t, r)
			table, err := proof.Tables(t.Context(), primary, r)
			if err != nil || !table.Equal() {
				t.Fatalf("after %s, the replica %s: %+v, %v", what, name, table, err)
			}
		}
	}
	load(t, primary, 150, workload.Options{})
	checked("rotations")

	for name, r := range replicas {
		before := heartbeats(t, r)
		eventually(t, "three heartbeats at the replica "+name, func() (bool, string) {
			n := heartbeats(t, r)
			return n >= before+3, strconv.Itoa(n)
		})
	}
	load(t, primary, 20, workload.Options{})
	checked("three heartbeats of silence")

	if code, err := d.Stop(); code != 0 || err != nil {
		t.Fatalf("the daemon ended with %d, %v", code, err)
	}
	load(t, primary, 30, workload.Options{})
	restart(t, d)
	checked("a restart of the proxy")

	if err := primary.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := primary.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	load(t, primary, 30, workload.Options{})
	checked("a restart of the source")

	direct := testenv.SourceSpec{Port: primary.Port(), HeartbeatSeconds: heartbeat.Seconds()}
	move(t, replicas["by position"], direct)
	direct.AutoPosition = true
	attach("by GTID", direct)
	load(t, primary, 30, workload.Options{})
	checked("moving to the primary")

	back := throughProxy(d)
	attach("by GTID", back)
	back.AutoPosition = false
	move(t, replicas["by position"], back)
	load(t, primary, 30, workload.Options{})
	checked("moving back to the proxy")
}

// move points a replica that follows by position to another source at the place
// up to which it has applied.
func move(t *testing.T, r *testenv.MySQL, spec testenv.SourceSpec) {
	t.Helper()
	if err := r.StopReplica(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := r.ReplicaStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	spec.File = st["Relay_Source_Log_File"]
	if spec.Pos, err = strconv.ParseUint(st["Exec_Source_Log_Pos"], 10, 64); err != nil {
		t.Fatal(err)
	}
	if err := r.ReplicateFrom(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
}

func heartbeats(t *testing.T, r *testenv.MySQL) int {
	t.Helper()
	var n int
	err := r.DB().QueryRowContext(t.Context(), "SELECT COUNT_RECEIVED_HEARTBEATS FROM performance_schema.replication_connection_status").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAKilledProxyResumesAndLosesNothing(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--max-binlog-size=512K"}})
	replica := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica", Args: []string{"--read-only=ON"}})
	d := startDaemon(t, primary.Addr())
	if err := replica.ReplicateFrom(t.Context(), throughProxy(d)); err != nil {
		t.Fatal(err)
	}
	l, err := workload.Start(t.Context(), primary.DB(), workload.Options{Seed: 2, DDL: true, Formats: true, MyISAM: true, BigEvery: 50, BigBytes: 20 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for kill := range int64(4) {
		want := l.Transactions.Load() + 60
		eventually(t, fmt.Sprint("load before kill ", kill), func() (bool, string) {
			n := l.Transactions.Load()
			return n >= want, fmt.Sprint(n)
		})
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		restart(t, d)
	}
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, d, primary)
	inStep(t, primary, replica)
	healthy(t, replica)
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	files, err := proof.Files(t.Context(), primary, dir)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := proof.Tables(t.Context(), primary, replica)
	if err != nil {
		t.Fatal(err)
	}
	if table := append(files, tables...); !table.Equal() {
		t.Fatalf("%+v", table)
	}
}
