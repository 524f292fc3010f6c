package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/httpfaults"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// A bucket that cannot be used is no reason to begin a history without it.
func TestAStartWithABucketThatCannotBeUsedSaysWhy(t *testing.T) {
	s3 := testenv.NewS3(t, testenv.S3Options{})
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	url, env := s3.URL("binlogs"), s3.Env()
	wrongSecret := append(append([]string{}, env...), "AWS_SECRET_ACCESS_KEY=CANARY")
	for _, c := range []struct {
		name, url string
		env       []string
		code      int
		words     string
	}{
		{"missing", strings.Replace(url, "s3://archive", "s3://archiv", 1), env, exitUsage, "there is no such bucket: create it, or correct its name"},
		{"wrong region", strings.Replace(url, "us-east-1", "eu-west-1", 1), env, exitUsage, "set region in its URL"},
		{"wrong secret", url, wrongSecret, exitUsage, "the credentials are missing, wrong or expired"},
		{"no server", strings.Replace(url, s3.Addr(), "127.0.0.1:1", 1), env, exitFailure, "cannot be reached"},
		{"unknown parameter", url + "&regoin=x", env, exitUsage, `did you mean "region"?`},
	} {
		dataDir := filepath.Join(t.TempDir(), "data")
		d := daemonWith(t, child.Options{Binary: path, DataDir: dataDir, Source: "127.0.0.1:1", User: "u", Password: "p", Args: []string{"--bucket=" + c.url}, Env: c.env})
		exitsWith(t, d, c.code, c.words)
		if strings.Contains(d.Tail(), "CANARY") {
			t.Errorf("%s: the secret is in the log", c.name)
		}
		if _, err := os.Stat(filepath.Join(dataDir, "main", "source.json")); err == nil {
			t.Errorf("%s: a history was begun", c.name)
		}
	}
}

// What goes wrong with the bucket while the daemon runs holds up nothing but the copying, which
// says what is the matter, and goes on by itself.
func TestABucketThatFailsHoldsUpNothing(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 := testenv.NewS3(t, testenv.S3Options{})
	faults := httpfaults.New(s3.Addr())
	t.Cleanup(faults.Close)
	d := bucketDaemon(t, primary.Addr(), s3, "--bucket="+s3.URLAt(faults.Addr(), "binlogs"), "--reconnect-max=1s")
	restart(t, d)
	for _, c := range []struct {
		status int
		code   string
		kind   string
		words  string
	}{
		{http.StatusForbidden, "AccessDenied", kindDenied, "give"},
		{http.StatusBadRequest, "ExpiredToken", kindCredentials, "renew them"},
		{http.StatusForbidden, "RequestTimeTooSkewed", kindClock, "clock"},
		{http.StatusNotFound, "NoSuchBucket", kindNoBucket, "no such bucket"},
		{http.StatusServiceUnavailable, "SlowDown", kindTemporary, "overloaded"},
	} {
		faults.Rules(httpfaults.Rule{Fault: httpfaults.Answered, Status: c.status, Code: c.code})
		load(t, primary, 20, workload.Options{})
		execute(t, primary, "FLUSH BINARY LOGS")
		caughtUp(t, d, primary)
		eventually(t, c.code, func() (bool, string) {
			st, err := status(t, d)
			if err != nil {
				return false, err.Error()
			}
			count, err := d.Metric(t.Context(), fmt.Sprintf("binlogproxy_bucket_errors_total{kind=%q,source=\"main\"}", c.kind))
			b, s := st.Sources[0].Bucket, st.Sources[0]
			return err == nil && count > 0 && strings.Contains(b.LastError, c.words) && s.State == "receiving" && s.Ready, fmt.Sprintf("%v %v %+v", count, err, b)
		})
		faults.Rules()
		storedAll(t, d)
		bucketHas(t, primary, s3)
	}
}

// The disk fills while the bucket is away. When that is back, what it gets makes room, and
// receiving goes on without a person.
func TestADiskThatFillsWhileTheBucketIsAwayEmptiesByItself(t *testing.T) {
	dir := smallDisk(t)
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 := testenv.NewS3(t, testenv.S3Options{})
	faults := httpfaults.New(s3.Addr())
	t.Cleanup(faults.Close)
	d := bucketDaemon(t, primary.Addr(), s3, "--data-dir="+dir, "--bucket="+s3.URLAt(faults.Addr(), "binlogs"),
		"--local-size=2MiB", "--cache-size=1MiB", "--heartbeat=500ms", "--reconnect-max=1s")
	restart(t, d)
	faults.Rules(httpfaults.Rule{Fault: httpfaults.Overloaded})
	for range 4 {
		load(t, primary, 10, workload.Options{BigEvery: 2, BigBytes: 2 << 20})
		execute(t, primary, "FLUSH BINARY LOGS")
	}
	eventually(t, "the daemon saying that the disk is full", func() (bool, string) {
		st, err := status(t, d)
		return err == nil && st.Sources[0].Stalled && !st.Ready && st.Sources[0].Bucket.LastError != "", fmt.Sprintf("%+v %v", st, err)
	})
	fetch(t, primary, d, "full", "binlog.000001", "--read-from-remote-server") // still served
	faults.Rules()
	caughtUp(t, d, primary)
	storedAll(t, d)
	bucketHas(t, primary, s3)
}

// Objects of others under the prefix are neither read nor touched. A second writer is
// refused, and so is another source.
func TestForeignObjectsAndWritersInTheBucket(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 := testenv.NewS3(t, testenv.S3Options{})
	s, err := s3.Open("binlogs")
	if err != nil {
		t.Fatal(err)
	}
	d := bucketDaemon(t, primary.Addr(), s3)
	restart(t, d)
	load(t, primary, 20, workload.Options{})
	execute(t, primary, "FLUSH BINARY LOGS")
	caughtUp(t, d, primary)
	storedAll(t, d)
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	timeline := "main/" + filepath.Base(dir)
	foreign := []string{
		"README", "main/notes.txt", timeline + "/files/binlog.000001.gz", timeline + "/open/binlog.000002/half",
		timeline + "/open/binlog.000009/00000000000000000000-00000000000000000005-0000000009",
	}
	for _, key := range foreign {
		if _, err := s.Put(t.Context(), key, []byte("hello"), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	exitsWith(t, bucketDaemon(t, primary.Addr(), s3), exitFenced, "already has a writer", "Stop that one first")
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	next := bucketDaemon(t, primary.Addr(), s3) // with an empty directory
	restart(t, next)
	load(t, primary, 20, workload.Options{})
	caughtUp(t, next, primary)
	storedAll(t, next)
	bucketHas(t, primary, s3)
	if err := next.Kill(); err != nil {
		t.Fatal(err)
	}
	other := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "other"})
	exitsWith(t, bucketDaemon(t, other.Addr(), s3), exitHistory, "the directory holds the history of", "in a bucket that name or a prefix")
	for _, key := range foreign {
		if data, _, err := store.ReadAll(t.Context(), s, key, 10); err != nil || !bytes.Equal(data, []byte("hello")) {
			t.Errorf("%s: %q, %v", key, data, err)
		}
	}
}
