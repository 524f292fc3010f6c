package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// bucketDaemon is a daemon with a bucket of its own server.
func bucketDaemon(t *testing.T, source string, s3 *testenv.S3, args ...string) *child.Daemon {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	return daemonWith(t, child.Options{
		Binary: path, DataDir: filepath.Join(t.TempDir(), "data"), Source: source, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword,
		Args: append([]string{"--bucket=" + s3.URL("binlogs"), "--piece-interval=200ms", "--lease=2s"}, args...), Env: s3.Env(),
	})
}

// storedAll waits until the bucket has all that the daemon has, complete files as such.
func storedAll(t *testing.T, d *child.Daemon) {
	t.Helper()
	eventually(t, "everything in the bucket", func() (bool, string) {
		st, err := status(t, d)
		if err != nil {
			return false, err.Error()
		}
		b := st.Sources[0].Bucket
		return b.Stored == st.Sources[0].Durable && b.PendingFiles == 0 && b.BehindBytes == 0 && b.LastError == "", fmt.Sprintf("%+v", b)
	})
}

func TestTheBucketGetsTheSourcesFiles(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 := testenv.NewS3(t, testenv.S3Options{})
	d := bucketDaemon(t, primary.Addr(), s3)
	restart(t, d)
	for range 3 {
		load(t, primary, 50, workload.Options{})
		execute(t, primary, "FLUSH BINARY LOGS")
	}
	caughtUp(t, d, primary)
	storedAll(t, d)
	bucketHas(t, primary, s3)
}

// bucketHas compares the files of the primary with what its daemon's bucket counts.
func bucketHas(t *testing.T, primary *testenv.MySQL, s3 *testenv.S3) {
	t.Helper()
	s, err := s3.Open("binlogs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := proof.Fetch(t.Context(), s, "main", dir); err != nil {
		t.Fatal(err)
	}
	table, err := proof.Files(t.Context(), primary, dir)
	if err != nil || !table.Equal() {
		t.Fatalf("%+v %v", table, err)
	}
}

// The disk is lost, and the source has purged what was on it: the bucket brings it back, and a
// new replica gets it from the first transaction on.
func TestTheBucketAloneBringsEverythingBack(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 := testenv.NewS3(t, testenv.S3Options{})
	d := bucketDaemon(t, primary.Addr(), s3)
	restart(t, d)
	for range 3 {
		load(t, primary, 50, workload.Options{})
		execute(t, primary, "FLUSH BINARY LOGS")
	}
	load(t, primary, 20, workload.Options{})
	caughtUp(t, d, primary)
	storedAll(t, d)
	before := fetchAll(t, primary, d, "before", names(t, primary))
	if err := errors.Join(d.Kill(), os.RemoveAll(filepath.Dir(d.SourceDir()))); err != nil {
		t.Fatal(err)
	}
	purgeAllButLast(t, primary)
	load(t, primary, 20, workload.Options{})
	restart(t, d)
	caughtUp(t, d, primary)
	storedAll(t, d)
	after := fetchAll(t, primary, d, "after", slices.Collect(maps.Keys(before)))
	for name, content := range before {
		if !bytes.HasPrefix(after[name], content) {
			t.Errorf("%s is not what it was: %d bytes of %d", name, len(after[name]), len(content))
		}
	}
	replicaFromTheStart(t, primary, d)
}

// Old files are neither on the disk nor at the source.
func TestFilesThatOnlyTheBucketHasAreServed(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 := testenv.NewS3(t, testenv.S3Options{})
	d := bucketDaemon(t, primary.Addr(), s3, "--local-size=1")
	restart(t, d)
	var before map[string][]byte
	for i := range 4 {
		load(t, primary, 50, workload.Options{})
		execute(t, primary, "FLUSH BINARY LOGS")
		caughtUp(t, d, primary)
		if i == 0 {
			before = fetchAll(t, primary, d, "before", names(t, primary))
		}
	}
	eventually(t, "only the open file on the disk", func() (bool, string) {
		st, err := status(t, d)
		return err == nil && st.Sources[0].Bucket.LocalFiles == 1, fmt.Sprintf("%+v %v", st, err)
	})
	purgeAllButLast(t, primary)
	after := fetchAll(t, primary, d, "after", slices.Collect(maps.Keys(before)))
	for name, content := range before {
		if !bytes.HasPrefix(after[name], content) || len(content) == 0 {
			t.Errorf("%s is not what it was: %d bytes of %d", name, len(after[name]), len(content))
		}
	}
	replicaFromTheStart(t, primary, d)
}

// A daemon hangs, or its machine is cut off: to the primary it still is a replica. Another one
// takes its place, and its server_id, when the lease has expired; the first one finds that out.
func TestADaemonThatHangsIsReplaced(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 := testenv.NewS3(t, testenv.S3Options{})
	hanging, next := bucketDaemon(t, primary.Addr(), s3), bucketDaemon(t, primary.Addr(), s3)
	restart(t, hanging)
	load(t, primary, 20, workload.Options{})
	caughtUp(t, hanging, primary)
	storedAll(t, hanging)
	if err := syscall.Kill(hanging.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	restart(t, next)
	load(t, primary, 20, workload.Options{})
	caughtUp(t, next, primary)
	if err := syscall.Kill(hanging.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first one to see that it is replaced", func() (bool, string) {
		st, err := status(t, hanging)
		return err == nil && st.Sources[0].ExitCode == exitFenced, fmt.Sprintf("%+v %v", st, err)
	})
	load(t, primary, 20, workload.Options{})
	caughtUp(t, next, primary)
	storedAll(t, next)
	bucketHas(t, primary, s3)
}

// names lists a primary's files.
func names(t *testing.T, primary *testenv.MySQL) (list []string) {
	t.Helper()
	files, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		list = append(list, f.Name)
	}
	return list
}

// fetchAll fetches files through the daemon, from the first file on.
func fetchAll(t *testing.T, primary *testenv.MySQL, d *child.Daemon, name string, files []string) map[string][]byte {
	t.Helper()
	fetched := fetch(t, primary, d, name, "binlog.000001", "--read-from-remote-server")
	contents := map[string][]byte{}
	for _, f := range files {
		var content bytes.Buffer
		if err := primary.ReadFile(t.Context(), fetched+f, &content); err != nil {
			t.Fatal(err)
		}
		contents[f] = content.Bytes()
	}
	return contents
}

func purgeAllButLast(t *testing.T, primary *testenv.MySQL) {
	t.Helper()
	list := names(t, primary)
	execute(t, primary, "PURGE BINARY LOGS TO '"+list[len(list)-1]+"'")
}

// replicaFromTheStart lets a new replica catch up with the primary, through the daemon.
func replicaFromTheStart(t *testing.T, primary *testenv.MySQL, d *child.Daemon) {
	t.Helper()
	replica := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica", Args: []string{"--read-only=ON"}})
	if err := replica.ReplicateFrom(t.Context(), throughProxy(d)); err != nil {
		t.Fatal(err)
	}
	inStep(t, primary, replica)
	healthy(t, replica)
}
