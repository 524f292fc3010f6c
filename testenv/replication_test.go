package testenv_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
)

func TestReplicaCatchesUpWithItsPrimary(t *testing.T) {
	ctx := testContext(t)
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	replica := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica"})
	exec(t, primary, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1), (2)")

	follow := func(source testenv.SourceSpec) {
		t.Helper()
		if err := replica.ReplicateFrom(ctx, source); err != nil {
			t.Fatal(err)
		}
		set := must[string](t)(primary.GTIDExecuted(ctx))
		if err := replica.WaitForGTIDs(ctx, set); err != nil {
			t.Fatal(err)
		}
		want := must[map[string]string](t)(primary.TableChecksums(ctx))
		got := must[map[string]string](t)(replica.TableChecksums(ctx))
		if !maps.Equal(got, want) || len(got) == 0 {
			t.Errorf("checksums %v, at the primary %v", got, want)
		}
		if got := must[string](t)(replica.GTIDExecuted(ctx)); got != set {
			t.Errorf("gtid_executed %q, at the primary %q", got, set)
		}
	}
	source := primary.Source()
	source.HeartbeatSeconds = 0.5
	follow(source)
	status := must[map[string]string](t)(replica.ReplicaStatus(ctx))
	if status["Replica_IO_Running"] != "Yes" || status["Auto_Position"] != "1" {
		t.Errorf("status %v", status)
	}

	// From GTIDs to a file and position, at the place where it stands.
	if err := replica.StopReplica(ctx); err != nil {
		t.Fatal(err)
	}
	files := must[[]testenv.BinlogFile](t)(primary.BinlogFiles(ctx))
	last := files[len(files)-1]
	exec(t, primary, "INSERT INTO d.t VALUES (3)", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (4)")
	follow(testenv.SourceSpec{Port: primary.Port(), File: last.Name, Pos: uint64(last.Size)})

	// Over a crash of the primary.
	if err := primary.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := primary.Start(ctx); err != nil {
		t.Fatal(err)
	}
	exec(t, primary, "INSERT INTO d.t VALUES (5)")
	set := must[string](t)(primary.GTIDExecuted(ctx))
	if err := replica.WaitForGTIDs(ctx, set); err != nil {
		t.Fatal(err)
	}
}

func TestWaitForGTIDsGivesUpWhenTheReplicaIsStuck(t *testing.T) {
	ctx := testContext(t)
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	replica := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica"})
	exec(t, primary, "CREATE DATABASE d")
	exec(t, replica, "CREATE DATABASE d")
	if err := replica.ReplicateFrom(ctx, primary.Source()); err != nil {
		t.Fatal(err)
	}
	err := replica.WaitForGTIDs(ctx, must[string](t)(primary.GTIDExecuted(ctx)))
	if err == nil || !strings.Contains(err.Error(), "the applier stopped") {
		t.Errorf("a database that exists already: %v", err)
	}

	// A source that has purged what the replica needs: error 1236.
	exec(t, primary, "CREATE DATABASE e", "FLUSH BINARY LOGS", "PURGE BINARY LOGS TO 'binlog.000002'")
	exec(t, replica, "STOP REPLICA", "RESET BINARY LOGS AND GTIDS", "RESET REPLICA", "DROP DATABASE d")
	if err := replica.ReplicateFrom(ctx, primary.Source()); err != nil {
		t.Fatal(err)
	}
	err = replica.WaitForGTIDs(ctx, must[string](t)(primary.GTIDExecuted(ctx)))
	if err == nil || !strings.Contains(err.Error(), "the receiver stopped") {
		t.Errorf("a source that has purged its binlog: %v", err)
	}
}
