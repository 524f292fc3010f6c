package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
	"github.com/binlogproxy/binlogproxy/testenv/memstore"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

func TestDoctorOnASoundBucketAndOnEachThatIsNot(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 := testenv.NewS3(t, testenv.S3Options{})
	setEnv(t, s3)
	d := bucketDaemon(t, primary.Addr(), s3)
	restart(t, d)
	load(t, primary, 20, workload.Options{})
	execute(t, primary, "FLUSH BINARY LOGS")
	caughtUp(t, d, primary)
	storedAll(t, d)
	data, url := filepath.Dir(d.SourceDir()), s3.URL("binlogs")
	checks := []string{"bucket", "bucket-rights", "bucket-conditions", "bucket-clock", "bucket-lease", "bucket-identity"}
	sound := func(words ...string) {
		t.Helper()
		code, by := doctor(t, data, primary.Addr(), "--bucket="+url)
		for _, check := range checks {
			if code != exitOK || by[check].Result != checkOK {
				t.Errorf("exit %d, %s of a sound bucket: %+v", code, check, by[check])
			}
		}
		for i := 0; i < len(words); i += 2 {
			if got := by[words[i]].Message; !strings.Contains(got, words[i+1]) {
				t.Errorf("%s: %q, expected %q", words[i], got, words[i+1])
			}
		}
	}
	expect := func(check, result, words string, flags ...string) {
		t.Helper()
		code, by := doctor(t, data, primary.Addr(), append([]string{"--bucket=" + url}, flags...)...)
		if got := by[check]; got.Result != result || !strings.Contains(got.Message, words) || got.Advice == "" || (code == exitOK) != (result == checkWarn) {
			t.Errorf("%s: exit %d, %+v, expected %s: %q", check, code, got, result, words)
		}
	}
	sound("bucket-lease", "held for our data directory", "bucket-identity", "has the history of")
	expect("bucket", checkFail, "no such bucket", "--bucket="+strings.Replace(url, "s3://archive/", "s3://none/", 1))
	expect("bucket", checkFail, "another region", "--bucket="+strings.Replace(url, "us-east-1", "eu-west-1", 1))
	expect("bucket", checkFail, "cannot be reached", "--bucket=s3://archive/x?endpoint=http://127.0.0.1:1")
	expect("bucket", checkFail, "no such bucket", "--bucket=file://"+data+"/none")
	secret := os.Getenv("AWS_SECRET_ACCESS_KEY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	expect("bucket", checkFail, "credentials")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)

	expect("bucket-lease", checkFail, "another writer", "--data-dir="+t.TempDir())
	other := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "other"})
	expect("bucket-identity", checkFail, "the source is server", "--source="+other.Addr())
	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	sound("bucket-lease", "free; ")
	s, err := s3.Open("binlogs")
	if err != nil {
		t.Fatal(err)
	}
	nothingIsLeft(t, s)
	for check, key := range map[string]string{"bucket-lease": "main/lease.json", "bucket-identity": "main/source.json"} {
		if err := faultstore.Rewrite(t.Context(), s, key, faultstore.Truncate(20)); err != nil {
			t.Fatal(err)
		}
		expect(check, checkFail, "damaged object "+key)
	}
}

// setEnv lets commands of this process find a server's credentials.
func setEnv(t *testing.T, s3 *testenv.S3) {
	t.Helper()
	for _, variable := range s3.Env() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
}

// nothingIsLeft makes sure that probes have removed what they wrote.
func nothingIsLeft(t *testing.T, s store.Store) {
	t.Helper()
	page, err := s.List(t.Context(), probePrefix, "", 0)
	if err != nil || len(page.Objects) > 0 {
		t.Errorf("left of probes: %+v, %v", page.Objects, err)
	}
}

func TestDoctorNamesEachRightThatIsMissing(t *testing.T) {
	ops := []faultstore.Op{
		faultstore.Put, faultstore.Get, faultstore.Head, faultstore.List, faultstore.Delete,
		faultstore.CreateUpload, faultstore.CompleteUpload, faultstore.AbortUpload,
	}
	for _, op := range ops {
		s := faultstore.New(memstore.New(1<<20), 1)
		s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: store.ErrDenied, Ops: []faultstore.Op{op}})
		if d := examineStore(t.Context(), s)[0]; d.Check != "bucket-rights" || d.Result != checkFail || !strings.Contains(d.Message, string(op)) {
			t.Errorf("%s denied: %+v", op, d)
		}
	}
	s := faultstore.New(memstore.New(1<<20), 1)
	s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: store.ErrDenied, Ops: []faultstore.Op{faultstore.Put}})
	if d := examineStoreClock(t.Context(), s, time.Now); d.Result != checkFail {
		t.Errorf("the clock, where nothing can be written: %+v", d)
	}
}

func TestDoctorRefusesABucketThatIgnoresConditions(t *testing.T) {
	s := faultstore.New(memstore.New(1<<20), 1)
	s.Rules(faultstore.Rule{Fault: faultstore.IgnoredCondition})
	if all := examineStore(t.Context(), s); len(all) != 1 || all[0].Check != "bucket-conditions" || all[0].Result != checkFail {
		t.Errorf("%+v", all)
	}
	s.Rules()
	nothingIsLeft(t, s)
}

func TestDoctorComparesTheStoresClock(t *testing.T) {
	s := memstore.New(1 << 20)
	for shift, result := range map[time.Duration]string{0: checkOK, 10 * time.Minute: checkWarn, -10 * time.Minute: checkWarn} {
		if d := examineStoreClock(t.Context(), s, func() time.Time { return time.Now().Add(shift) }); d.Result != result {
			t.Errorf("%s off: %+v", shift, d)
		}
	}
	nothingIsLeft(t, s)
}

// A writer that is gone and has not given its lease back looks like one that lives, until
// the lease has expired.
func TestDoctorTellsALeaseThatHasExpired(t *testing.T) {
	s := memstore.New(1 << 20)
	p := &patient{store: s, now: time.Now}
	p.Name = "main"
	lease := func(ctx context.Context, shift time.Duration) diagnosis {
		p.now = func() time.Time { return time.Now().Add(shift) }
		return examineLease(ctx, p)
	}
	if d := lease(t.Context(), 0); d.Result != checkOK {
		t.Errorf("without a lease: %+v", d)
	}
	if _, err := p.part().Acquire(t.Context(), bucket.Holder{ID: "another"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if d := lease(t.Context(), 0); d.Result != checkFail {
		t.Errorf("of a writer that lives: %+v", d)
	}
	if d := lease(t.Context(), time.Hour); d.Result != checkWarn || !strings.Contains(d.Advice, "1m0s") {
		t.Errorf("of one that has expired: %+v", d)
	}
}

func TestDoctorRefusesASourceWithoutABinlog(t *testing.T) {
	silent := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "no-binlog", Args: []string{"--skip-log-bin"}})
	code, by := doctor(t, t.TempDir(), silent.Addr())
	if d := by["binlog"]; code != exitFailure || d.Result != checkFail || !strings.Contains(d.Message, "writes no binlog") {
		t.Errorf("exit %d: %+v", code, by)
	}
}
