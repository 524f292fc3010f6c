package main

import (
	"fmt"
	"path/filepath"
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
