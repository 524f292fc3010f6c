package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// storedHistory is a stopped daemon of some files, of which its disk has the last one only
// and a bucket all. Their contents are the primary's.
func storedHistory(t *testing.T) (d *child.Daemon, primary *testenv.MySQL, s3 *testenv.S3, contents map[string][]byte) {
	t.Helper()
	primary = testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	s3 = testenv.NewS3(t, testenv.S3Options{})
	setEnv(t, s3)
	d = bucketDaemon(t, primary.Addr(), s3, "--local-size=1")
	restart(t, d)
	for range 3 {
		load(t, primary, 50, workload.Options{})
		execute(t, primary, "FLUSH BINARY LOGS")
	}
	load(t, primary, 20, workload.Options{})
	caughtUp(t, d, primary)
	storedAll(t, d)
	eventually(t, "only the open file on the disk", func() (bool, string) {
		st, err := status(t, d)
		return err == nil && st.Sources[0].Bucket.LocalFiles == 1, fmt.Sprintf("%+v %v", st, err)
	})
	if _, err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	contents = map[string][]byte{}
	for _, name := range names(t, primary) {
		var content bytes.Buffer
		if err := primary.ReadBinlog(t.Context(), name, &content); err != nil {
			t.Fatal(err)
		}
		contents[name] = content.Bytes()
		contents[name][4+17] &^= 1 // says that the primary has the file open; what it sends does not
	}
	return d, primary, s3, contents
}

// The commands find in the bucket alone what the primary had, up to the end of the open
// file, and read what the disk lacks from there.
func TestArchiveCommandsOnABucket(t *testing.T) {
	d, primary, s3, contents := storedHistory(t)
	list := names(t, primary)
	open := list[len(list)-1]
	configuration := filepath.Join(t.TempDir(), "binlogproxy.yaml")
	text := fmt.Sprintf("data-dir: %s\nbucket:\n  url: %s\nsources:\n  - name: main\n", filepath.Join(t.TempDir(), "none"), s3.URL("binlogs"))
	if err := os.WriteFile(configuration, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	url, dir := "--bucket="+s3.URL("binlogs"), "--dir="+d.SourceDir()
	for name, c := range map[string]struct {
		flags []string
		local bool // the open file is shown as one of the disk
	}{
		"by URL":                            {[]string{url, "--source=main"}, false},
		"directory and bucket":              {[]string{dir, url}, true},
		"from the bucket of both":           {[]string{dir, url, "--from-bucket"}, false},
		"configuration without a directory": {[]string{"--config=" + configuration}, false},
	} {
		t.Run(name, func(t *testing.T) {
			with := func(command string, more ...string) []string {
				return append(append([]string{command}, c.flags...), more...)
			}
			files := archiveDocuments[listedFile](t, with("ls")...)
			if len(files) != len(list) {
				t.Fatalf("listed are %+v", files)
			}
			for i, f := range files {
				last := f.Name == open
				if f.Name != list[i] || f.Size != int64(len(contents[f.Name])) || f.Bucket == (last && c.local) || f.Local != (last && c.local) || (f.State == "open") != last {
					t.Errorf("%d: %+v", i, f)
				}
			}
			out := t.TempDir()
			archiveDocuments[writtenFile](t, with("get", append([]string{"--output=" + out}, list[:len(list)-1]...)...)...)
			for _, f := range list[:len(list)-1] {
				if got, err := os.ReadFile(filepath.Join(out, f)); err != nil || !bytes.Equal(got, contents[f]) {
					t.Errorf("%s: %d bytes of %d: %v", f, len(got), len(contents[f]), err)
				}
			}
			if code, got, errs := command(append([]string{"archive"}, with("cat", open)...)...); code != exitOK || got != string(contents[open]) {
				t.Errorf("cat %s: exit %d, %d bytes of %d: %s", open, code, len(got), len(contents[open]), errs)
			}
			executed, err := primary.GTIDExecuted(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			uuid, _, _ := strings.Cut(executed, ":")
			found := archiveDocuments[foundTransaction](t, with("find", "--gtid="+uuid+":60")...)[0]
			if again := archiveDocuments[foundTransaction](t, with("find", "--time="+found.Time)...)[0]; found.GTID != uuid+":60" || again.Time != found.Time {
				t.Errorf("by GTID %+v, by time %+v", found, again)
			}
			written := archiveDocuments[writtenFile](t, with("get", "--output="+t.TempDir(), fmt.Sprintf("--from-position=%s:%d", found.File, found.Offset))...)
			got := mustParseSet(t, "")
			for _, f := range written {
				got.AddSet(shown(t, primary, f.Path))
			}
			if want := mustParseSet(t, executed).Subtract(mustParseSet(t, uuid+":1-59")); !got.Equal(want) {
				t.Errorf("got %s, expected %s", got, want)
			}
			stat := archiveDocuments[statedFile](t, with("stat", list[0])...)[0]
			if stat.State != "sealed" || !stat.Bucket || stat.Manifest == nil || stat.Manifest.Size != int64(len(contents[list[0]])) {
				t.Errorf("%+v", stat)
			}
			if gaps := archiveDocuments[listedGap](t, with("gaps")...); len(gaps) != 0 {
				t.Errorf("%+v", gaps)
			}
		})
	}
	for line, want := range map[string]struct {
		code  int
		words string
	}{
		"cat " + dir + " " + list[0]:            {exitFailure, "in the bucket only"},
		"ls " + dir + " --from-bucket":          {exitUsage, "--bucket"},
		"ls " + url:                             {exitUsage, "--source"},
		"ls --source=none " + url:               {exitUsage, "nothing of source"},
		"ls --source=main --bucket=nonsense":    {exitUsage, "URL"},
		"ls --source=main " + url + "&region=x": {exitUsage, "region"},
	} {
		code, _, errs := command(append([]string{"archive"}, strings.Fields(line)...)...)
		if code != want.code || !strings.Contains(errs, want.words) {
			t.Errorf("archive %s: exit %d, %q, expected %d and %q", line, code, errs, want.code, want.words)
		}
	}
}

// verify reads a bucket without any directory, finds nothing in a sound one, and then each
// object that is changed.
func TestArchiveVerifyOfABucket(t *testing.T) {
	d, primary, s3, _ := storedHistory(t)
	flags := []string{"archive", "verify", "--bucket=" + s3.URL("binlogs"), "--source=main"}
	if code, out, errs := command(flags...); code != exitOK || !strings.Contains(out, "4 files") || !strings.Contains(out, " 0 findings") {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	store, err := s3.Open("binlogs")
	if err != nil {
		t.Fatal(err)
	}
	list := names(t, primary)
	key := "main/" + timelineOf(t, d) + "/files/" + list[1]
	if err := faultstore.Rewrite(t.Context(), store, key, faultstore.FlipBit(8*1000)); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(append(flags, "--json")...)
	if code != exitDamage {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var finding struct {
		Type string
		archive.Finding
	}
	var result verifyResult
	if err := errors.Join(json.Unmarshal([]byte(lines[0]), &finding), json.Unmarshal([]byte(lines[len(lines)-1]), &result)); err != nil {
		t.Fatal(err)
	}
	if finding.Type != "finding" || finding.Object != key || result.Findings != 1 || result.Files != len(list) {
		t.Errorf("%s", out)
	}
	if code, out, errs := command(append(flags, "--files="+list[0])...); code != exitOK || !strings.Contains(out, "1 files") {
		t.Errorf("of another file: exit %d: %s%s", code, out, errs)
	}
	if code, _, errs := command("archive", "verify", "--bucket="+s3.URL("binlogs"), "--source=none"); code != exitUsage || !strings.Contains(errs, "nothing of source") {
		t.Errorf("of no source: exit %d: %s", code, errs)
	}
}

func timelineOf(t *testing.T, d *child.Daemon) string {
	t.Helper()
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(dir)
}
