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

// BenchmarkReceive is the receiver in this process, for profiles of it; the figure
// CPU-s/GiB leaves the sealing out.
func BenchmarkReceive(b *testing.B) {
	testenv.RequireDocker(b)
	for _, k := range []kind{
		{name: small, rows: 1, valueBytes: 200, size: 256 << 20},
		{name: large, rows: 100, valueBytes: 8000, size: 512 << 20},
	} {
		b.Run("event="+k.name, func(b *testing.B) {
			root, err := os.MkdirTemp("/dev/shm", "binlogproxy-bench-")
			if err != nil {
				b.Skip(err)
			}
			defer os.RemoveAll(root)
			s, err := startSource(b.Context(), root, k)
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := s.close(b.Context()); err != nil {
					b.Error(err)
				}
			}()
			b.SetBytes(s.file.Size)
			var cpuSeconds, commits float64
			for b.Loop() {
				var out bytes.Buffer
				if err := receiveOnce(b.Context(), &out, s.server.Addr(), filepath.Join(root, "received")); err != nil {
					b.Fatal(err)
				}
				var r received
				if err := json.Unmarshal(out.Bytes(), &r); err != nil {
					b.Fatal(err)
				}
				cpuSeconds += r.CPUSeconds
				commits += r.Commits
				os.RemoveAll(filepath.Join(root, "received"))
			}
			b.ReportMetric(cpuSeconds/float64(b.N)/s.gib(), "CPU-s/GiB")
			b.ReportMetric(commits/float64(b.N)/s.gib(), "commits/GiB")
		})
	}
}
