package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// verify finds nothing beside a daemon that receives, and after that each byte that is
// changed, with the exit code of damage.
func TestArchiveVerify(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--max-binlog-size=256K"}})
	d := startDaemon(t, primary.Addr())
	dir := "--dir=" + d.SourceDir()
	for range 5 {
		load(t, primary, 60, workload.Options{})
		if code, out, errs := command("archive", "verify", dir); code != exitOK {
			t.Fatalf("exit %d: %s%s", code, out, errs)
		}
	}
	caughtUp(t, d, primary)
	execute(t, primary, "FLUSH BINARY LOGS")
	caughtUp(t, d, primary)

	timeline, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	files := archiveDocuments[listedFile](t, "ls", dir)
	name := filepath.Join(timeline, files[0].Name)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := lastVerification(d.SourceDir()); err != nil || v == nil || v.Damages != 0 || v.Files == 0 {
		t.Errorf("kept of a sound archive: %+v, %v", v, err)
	}
	code, out, errs := command("archive", "verify", "--json", dir)
	if code != exitDamage {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var f struct {
		Type string
		archive.Finding
	}
	if err := json.Unmarshal([]byte(lines[0]), &f); err != nil || f.Type != "finding" || f.Object != name || f.Offset > int64(len(content)/2) {
		t.Errorf("%s: %+v, %v", lines[0], f, err)
	}
	var result verifyResult
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil || result.Findings != 1 || result.Files < len(files)-1 {
		t.Errorf("%s: %+v, %v", lines[len(lines)-1], result, err)
	}
	if code, out, errs := command("archive", "verify", dir); code != exitDamage || !strings.Contains(out, name+" at offset") {
		t.Errorf("for people: exit %d: %s%s", code, out, errs)
	}
	if code, out, errs := command("archive", "verify", dir, "--files="+files[1].Name); code != exitOK {
		t.Errorf("of another file: exit %d: %s%s", code, out, errs)
	}
	if code, out, errs := command("archive", "verify", dir, "--since=2100-01-01"); code != exitOK {
		t.Errorf("of later files: exit %d: %s%s", code, out, errs)
	}
	if code, _, _ := command("archive", "verify", dir, "--files=binlog.999999"); code != exitUsage {
		t.Errorf("of no file: exit %d", code)
	}
	if v, err := lastVerification(d.SourceDir()); err != nil || v == nil || v.Damages != 1 || !strings.HasPrefix(v.First, name+" at offset") {
		t.Errorf("kept of a damaged archive, and not of a part of it: %+v, %v", v, err)
	}
}
