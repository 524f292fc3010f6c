package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// A tiny measurement: the composed file is one that a real mysqld serves, and what we
// and mysqlbinlog receive is that file.
func TestMeasureReceiving(t *testing.T) {
	testenv.RequireDocker(t)
	ctx := t.Context()
	s, err := startSource(ctx, t.TempDir(), kind{name: small, rows: 1, valueBytes: 200, size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(ctx); err != nil {
			t.Error(err)
		}
	}()
	if s.file.Size < 1<<20 || s.file.Events < 5*s.file.Transactions {
		t.Errorf("composed: %+v", s.file)
	}
	theirs, err := os.ReadFile(filepath.Join(s.dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "received")
	var out bytes.Buffer
	if err := receiveOnce(ctx, &out, s.server.Addr(), dir); err != nil {
		t.Fatal(err)
	}
	copies, err := filepath.Glob(filepath.Join(dir, "*", fileName))
	if err != nil || len(copies) != 1 {
		t.Fatalf("%v, %v", copies, err)
	}
	ours, err := os.ReadFile(copies[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ours, theirs) {
		t.Errorf("%d bytes were received, which are not the %d of the source", len(ours), len(theirs))
	}
	var r received
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Seconds <= 0 || r.CPUSeconds <= 0 || r.SealSeconds <= 0 || r.Commits < 1 {
		t.Errorf("%s, %v", out.Bytes(), err)
	}
	figures, err := s.mysqlbinlog(ctx)
	if err != nil || figures[rate] <= 0 {
		t.Errorf("%v, %v", figures, err)
	}
}
