package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// archiveDocuments runs an archive command with --json and reads what it printed.
func archiveDocuments[T any](t *testing.T, args ...string) []T {
	t.Helper()
	code, out, errs := command(append([]string{"archive", args[0], "--json"}, args[1:]...)...)
	if code != exitOK {
		t.Fatalf("archive %q: exit %d: %s", args, code, errs)
	}
	var all []T
	for decoder := json.NewDecoder(strings.NewReader(out)); decoder.More(); {
		var one T
		if err := decoder.Decode(&one); err != nil {
			t.Fatalf("archive %q: %v in %s", args, err, out)
		}
		all = append(all, one)
	}
	return all
}

// shown is what mysqlbinlog finds in a file of ours: the GTIDs of its transactions.
func shown(t *testing.T, m *testenv.MySQL, path string) *replication.GTIDSet {
	t.Helper()
	if err := m.WriteFile(t.Context(), path, "/tmp/shown"); err != nil {
		t.Fatal(err)
	}
	text := run(t, m, "sh", "-c", "mysqlbinlog --verify-binlog-checksum /tmp/shown")
	set := &replication.GTIDSet{}
	for _, match := range regexp.MustCompile(`GTID_NEXT= '([0-9a-f-]+:[0-9]+)'`).FindAllStringSubmatch(text, -1) {
		gtid, err := replication.ParseGTID(match[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Add(gtid); err != nil {
			t.Fatal(err)
		}
	}
	return set
}

func mustParseSet(t *testing.T, text string) *replication.GTIDSet {
	t.Helper()
	set, err := replication.ParseGTIDSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Beside a running daemon its archive is listed, searched and copied, and mysqlbinlog
// reads exactly the transactions that were asked for.
func TestArchiveCommandsBesideADaemon(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--max-binlog-size=256K"}})
	d := startDaemon(t, primary.Addr())
	load(t, primary, 300, workload.Options{BigEvery: 90, BigBytes: 1 << 20})
	caughtUp(t, d, primary)
	execute(t, primary, "FLUSH BINARY LOGS") // so that all that was loaded is complete
	caughtUp(t, d, primary)
	dir := "--dir=" + d.SourceDir()

	files := archiveDocuments[listedFile](t, "ls", dir)
	if len(files) < 4 {
		t.Fatalf("%+v", files)
	}
	complete := files[:0:0]
	for _, f := range files {
		if f.State != "open" {
			complete = append(complete, f)
		}
	}
	t.Run("get", func(t *testing.T) {
		out := t.TempDir()
		args := []string{"archive", "get", dir, "--output=" + out}
		for _, f := range complete {
			args = append(args, f.Name)
		}
		if code, _, errs := command(args...); code != exitOK {
			t.Fatalf("exit %d: %s", code, errs)
		}
		for _, f := range complete {
			var theirs bytes.Buffer
			if err := primary.ReadBinlog(t.Context(), f.Name, &theirs); err != nil {
				t.Fatal(err)
			}
			ours, err := os.ReadFile(filepath.Join(out, f.Name))
			if err != nil || !bytes.Equal(ours, theirs.Bytes()) {
				t.Errorf("%s: %d bytes, %d at the primary, and not equal; %v", f.Name, len(ours), theirs.Len(), err)
			}
			code, catted, errs := command("archive", "cat", dir, f.Name)
			if code != exitOK || catted != theirs.String() {
				t.Errorf("cat %s: exit %d, %d bytes, %s", f.Name, code, len(catted), errs)
			}
		}
		if code, _, errs := command(args...); code != exitFailure || !strings.Contains(errs, "exists") {
			t.Errorf("a second time: exit %d, %s", code, errs)
		}
		left, err := filepath.Glob(filepath.Join(out, "*.tmp"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	})

	executed, err := primary.GTIDExecuted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	uuid, _, _ := strings.Cut(executed, ":")
	gtid := func(n string) string { return uuid + ":" + n }
	first := archiveDocuments[foundTransaction](t, "find", dir, "--gtid="+gtid("60"))[0]
	last := archiveDocuments[foundTransaction](t, "find", dir, "--gtid="+gtid("200"))[0]
	if !mustParseSet(t, *first.Before).Equal(mustParseSet(t, gtid("1-59"))) {
		t.Errorf("before 60: %s", *first.Before)
	}
	again := archiveDocuments[foundTransaction](t, "find", dir, "--time="+first.Time)[0]
	if again.Time != first.Time {
		t.Errorf("by time %+v, by GTID %+v", again, first)
	}
	at := func(f foundTransaction) string {
		return replication.Position{File: f.File, Offset: f.Offset}.String()
	}
	if byPosition := archiveDocuments[foundTransaction](t, "find", dir, "--position="+at(first))[0]; byPosition.GTID != first.GTID {
		t.Errorf("by position %+v", byPosition)
	}
	for name, c := range map[string]struct {
		flags []string
		want  string
	}{
		"position": {[]string{"--from-position=" + at(first), "--to-position=" + at(last)}, gtid("60-199")},
		"time":     {[]string{"--from-time=" + first.Time, "--to-time=" + last.Time}, gtid("60-199")},
		"gtid":     {[]string{"--gtid=" + gtid("7:60-62:199")}, gtid("7:60-62:199")},
		"end":      {[]string{"--from-position=" + at(last)}, mustParseSet(t, executed).Subtract(mustParseSet(t, gtid("1-199"))).String()},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"get", dir, "--output=" + t.TempDir()}, c.flags...)
			got := &replication.GTIDSet{}
			for _, f := range archiveDocuments[writtenFile](t, args...) {
				in := shown(t, primary, f.Path)
				if !in.Intersect(got).IsEmpty() {
					t.Errorf("%s holds %s again", f.Path, in.Intersect(got))
				}
				got.AddSet(in)
			}
			if !got.Equal(mustParseSet(t, c.want)) {
				t.Errorf("get: %s, expected %s", got, c.want)
			}
			code, catted, errs := command(append([]string{"archive", "cat", dir}, c.flags...)...)
			path := filepath.Join(t.TempDir(), "cat")
			if err := os.WriteFile(path, []byte(catted), 0o600); err != nil || code != exitOK {
				t.Fatalf("cat: exit %d, %s, %v", code, errs, err)
			}
			if got := shown(t, primary, path); !got.Equal(mustParseSet(t, c.want)) {
				t.Errorf("cat: %s, expected %s", got, c.want)
			}
		})
	}

	stat := archiveDocuments[statedFile](t, "stat", dir, complete[0].Name)[0]
	if stat.State != "sealed" || stat.Manifest == nil || stat.Manifest.Size != complete[0].Size || len(stat.Manifest.SHA256) != 64 {
		t.Errorf("stat: %+v", stat)
	}
	if gaps := archiveDocuments[listedGap](t, "gaps", dir); len(gaps) != 0 {
		t.Errorf("gaps: %+v", gaps)
	}
	for _, name := range []string{"ls", "gaps"} {
		if code, out, errs := command("archive", name, dir); code != exitOK || strings.Contains(out, "{") {
			t.Errorf("%s for people: exit %d, %s, %s", name, code, out, errs)
		}
	}
}

func TestMistakesAtArchiveCommandsAreNamed(t *testing.T) {
	empty := t.TempDir()
	for line, want := range map[string]struct {
		code  int
		words string
	}{
		"ls":                                     {exitUsage, "--dir"},
		"ls --dir=" + empty + "/nothing":         {exitFailure, "no such file"},
		"ls --dir=" + empty + " --from-file=x":   {exitUsage, "no such binlog file"},
		"ls --config=" + empty + "/nothing.yaml": {exitUsage, "nothing.yaml"},
		"ls --config=../../examples/several-sources.yaml --source=none":         {exitUsage, "none"},
		"ls --config=../../examples/several-sources.yaml":                       {exitUsage, "--source"},
		"stat --dir=" + empty + " binlog.000001":                                {exitUsage, "no such binlog file"},
		"find --dir=" + empty:                                                   {exitUsage, "--gtid"},
		"find --dir=" + empty + " --gtid=5":                                     {exitUsage, "a UUID"},
		"find --dir=" + empty + " --time=yesterday":                             {exitUsage, "not a time"},
		"find --dir=" + empty + " --time=2026-01-01":                            {exitFailure, "no such transaction"},
		"find --dir=" + empty + " --position=binlog.000001":                     {exitUsage, "FILE:OFFSET"},
		"find --dir=" + empty + " --position=binlog.000001:4":                   {exitUsage, "no such binlog file"},
		"get --dir=" + empty:                                                    {exitUsage, "file names"},
		"get --dir=" + empty + " binlog.000001":                                 {exitUsage, "no such binlog file"},
		"get --dir=" + empty + " binlog.000001 --gtid=x:1":                      {exitUsage, "not both"},
		"get --dir=" + empty + " --to-time=2026-01-01 --to-position=b.000001:9": {exitUsage, "once"},
		"get --dir=" + empty + " --gtid=nonsense":                               {exitUsage, "a UUID"},
		"get --dir=" + empty + " --from-time=2026-01-01":                        {exitFailure, "nothing lies"},
		"cat --dir=" + empty:                                                    {exitUsage, "file names"},
	} {
		code, _, errs := command(append([]string{"archive"}, strings.Fields(line)...)...)
		if code != want.code || !strings.Contains(errs, want.words) {
			t.Errorf("archive %s: exit %d, %q, expected %d and %q", line, code, errs, want.code, want.words)
		}
	}
}
