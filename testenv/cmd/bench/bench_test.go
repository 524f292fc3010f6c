package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/child"
)

// tinySource serves a file of 1 MiB, and ends with the test.
func tinySource(t *testing.T) *source {
	t.Helper()
	testenv.RequireDocker(t)
	s, err := startSource(t.Context(), t.TempDir(), t.TempDir(), kind{name: small, rows: 1, valueBytes: 200, size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A tiny measurement: the composed file is one that a real mysqld serves, and what we
// and mysqlbinlog receive is that file.
func TestMeasureReceiving(t *testing.T) {
	ctx, s := t.Context(), tinySource(t)
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
	b := &bencher{root: t.TempDir(), binary: os.Args[0]}
	for _, run := range []func(context.Context) (map[string]float64, error){
		s.mysqlbinlog,
		func(ctx context.Context) (map[string]float64, error) { return b.copy(ctx, s) },
	} {
		figures, err := b.memoryTouched(s.file.Size, bench.Runner{Run: run}).Run(ctx)
		if err != nil || figures[rate] <= 0 {
			t.Errorf("%v, %v", figures, err)
		}
	}
	b.disk, b.runs = t.TempDir(), 1
	if err := b.receiveOnDisk(ctx, s); err != nil || len(b.results) != 2 || b.results[0].Ours.Min() <= 0 || b.results[0].Ratio() <= 0 {
		t.Errorf("%+v, %v", b.results, err)
	}
	if left, err := os.ReadDir(b.root); len(left) != 0 || err != nil {
		t.Errorf("%v, %v", left, err)
	}
}

// build builds the daemon that is measured.
func (b *bencher) build(t *testing.T) {
	t.Helper()
	var err error
	if b.daemon, err = child.Build(t.Context(), t.TempDir(), false, ""); err != nil {
		t.Fatal(err)
	}
}

// The plain copy has all that the dump sends, to which receiving is compared.
func TestCopyHasTheWholeFile(t *testing.T) {
	s := tinySource(t)
	theirs, err := os.ReadFile(filepath.Join(s.dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copied")
	if err := copyOnce(t.Context(), io.Discard, s.server.Addr(), path, fmt.Sprint(s.dumpSize())); err != nil {
		t.Fatal(err)
	}
	packets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var events []byte
	for first := true; len(packets) >= perPacket; first = false {
		size := int(packets[0]) | int(packets[1])<<8 | int(packets[2])<<16
		end := min(wire.HeaderLen+size, len(packets))
		if !first { // which is an artificial ROTATE
			events = append(events, packets[perPacket:end]...)
		}
		packets = packets[end:]
	}
	theirs = theirs[replication.FirstEventOffset:]
	events = events[:min(len(events), len(theirs))]                        // some of the next file may have come
	if !bytes.HasPrefix(theirs, events) || len(events) < len(theirs)-100 { // the artificial ROTATE is not in dumpSize
		t.Errorf("%d bytes of events were copied, of %d", len(events), len(theirs))
	}
}

// What cannot be measured is reported, and the rest is measured all the same.
func TestMeasuringGoesOnAfterAFailure(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := &bencher{root: file, disk: file, only: "receive"}
	err := b.measure(t.Context())
	for _, want := range []string{small, large} {
		if err == nil || !strings.Contains(err.Error(), "a source of "+want+" events") {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

// Each server sends its one client the whole file, and finds the last GTID of it.
func TestMeasureServing(t *testing.T) {
	ctx, s := t.Context(), tinySource(t)
	b := &bencher{disk: t.TempDir(), binary: os.Args[0]}
	b.build(t)
	ours, mysqld, end, err := b.both(ctx, s.server)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	library, err := b.startLibrary(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	defer library.close()
	has, err := s.allButLast(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []server{ours, mysqld, library.server, ours, mysqld, library.server} {
		if figures, err := s.fetch(ctx, v); err != nil || figures[rate] <= 0 {
			t.Errorf("%+v: %v, %v", v, figures, err)
		}
	}
	for _, v := range []server{ours, mysqld} {
		if d, err := startReplicaAt(ctx, v.addr, has, replication.GTIDEventType); err != nil || d.dump <= 0 || d.whole <= d.dump {
			t.Errorf("%+v: %+v, %v", v, d, err)
		}
	}
}

// The largest event is received by the real binary and served, here a small one.
func TestMeasureEvent(t *testing.T) {
	testenv.RequireDocker(t)
	b := &bencher{disk: t.TempDir(), root: t.TempDir()}
	b.build(t)
	if err := b.eventOf(t.Context(), 1<<20); err != nil || len(b.results) != 1 || b.results[0].Ours.Median() < 1 {
		t.Errorf("%+v, %v", b.results, err)
	}
}

// The daemon starts on all files that it has received before.
func TestMeasureStart(t *testing.T) {
	b := &bencher{disk: t.TempDir(), root: t.TempDir(), runs: 2}
	b.build(t)
	if err := b.startOn(t.Context(), []begin{{files: 2}, {files: 5}}); err != nil || len(b.results) != 2 {
		t.Fatalf("%+v, %v", b.results, err)
	}
	for _, r := range b.results {
		if len(r.Ours) != 2 || r.Ours.Min() <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

// Every client at the live end gets every transaction, from the proxy and from mysqld.
func TestMeasureTail(t *testing.T) {
	testenv.RequireDocker(t)
	ctx := t.Context()
	b := &bencher{disk: t.TempDir()}
	b.build(t)
	l, err := b.startLive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.end(); err != nil {
			t.Error(err)
		}
	}()
	const count, others = 20, 2
	for _, v := range []server{l.ours, l.mysqld} {
		w, err := l.watch(ctx, v, others, load{count, time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		for _, lags := range w.lags {
			if len(lags) != count || lags.Min() <= 0 {
				t.Errorf("%+v: %v", v, lags)
			}
		}
		if len(w.lags) != 1+others {
			t.Errorf("%+v: %d clients", v, len(w.lags))
		}
	}
	if s, err := l.syncsOfOurs(ctx); err != nil || s.seconds <= 0 || s.count < count {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := syncTimes(filepath.Join(t.TempDir(), "synced")); err != nil || len(s) != syncs || s.Min() <= 0 {
		t.Errorf("%v, %v", s, err)
	}
}

// What a bucket is sent is counted for each rate.
func TestMeasureCost(t *testing.T) {
	b := &bencher{root: t.TempDir()}
	if err := b.costOf(t.Context(), 9<<20); err != nil || len(b.results) != 3*len(rates) {
		t.Fatalf("%+v, %v", b.results, err)
	}
	for _, r := range b.results {
		if r.Ours.Min() < 1 {
			t.Errorf("%+v", r)
		}
	}
}

// A source is received at its pace beside a bucket that hangs, which then gets all of it.
func TestMeasureUploading(t *testing.T) {
	testenv.RequireDocker(t)
	s, err := startSource(t.Context(), t.TempDir(), t.TempDir(), kind{name: large, rows: 100, valueBytes: 8000, size: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	b := &bencher{disk: t.TempDir()}
	b.build(t)
	for _, v := range besides {
		if v.name != "hangs" {
			continue
		}
		if figures, err := b.receiveBeside(t.Context(), s, v); err != nil || figures[rate] <= 0 || figures[cpu] <= 0 || figures[memory] < 1 {
			t.Errorf("%v, %v", figures, err)
		}
	}
}

// A daemon is killed in a transaction and behind it, and what its bucket has is found.
func TestMeasureRecovery(t *testing.T) {
	testenv.RequireDocker(t)
	b := &bencher{disk: t.TempDir(), root: t.TempDir()}
	b.build(t)
	if err := b.recoveryLarge(t.Context(), 24<<20); err != nil || len(b.results) != 2 {
		t.Errorf("%+v, %v", b.results, err)
	}
}

// Each time is found, in whichever file it is.
func TestMeasureFinding(t *testing.T) {
	b := &bencher{root: t.TempDir()}
	if err := b.findIn(t.Context(), 5, 300); err != nil || len(b.results) != 2 || b.results[0].Ours.Min() <= 0 {
		t.Errorf("%+v, %v", b.results, err)
	}
}

// The test binary is also the process that is measured.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"library", "copy", "receive"}, os.Args[1]) {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
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
			s, err := startSource(b.Context(), root, root, k)
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
