package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

// Goals of receiving, by kind of file.
var receiveGoals = map[string]struct{ cpu, throughput bench.Goal }{
	small: {bench.AtMostRatio(0.1), bench.AtLeastRatio(5)},
	large: {bench.AtMostRatio(0.8), bench.AtLeastRatio(1)},
}

// receive measures how the file of a source is received, on the file system of b.root.
func (b *bencher) receive(ctx context.Context, s *source) (err error) {
	io, err := b.startReplica(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, io.close()) }()
	runners := []bench.Runner{
		{Name: "ours", Run: func(ctx context.Context) (map[string]float64, error) { return b.ours(ctx, s, b.root) }},
		{Name: "mysqlbinlog", Run: s.mysqlbinlog},
		{Name: "ours again", Run: func(ctx context.Context) (map[string]float64, error) { return b.ours(ctx, s, b.root) }},
		{Name: "replica", Run: io.receive},
		{Name: "syncer", Run: func(ctx context.Context) (map[string]float64, error) { return b.syncer(ctx, s) }},
		{Name: "copy", Run: func(ctx context.Context) (map[string]float64, error) { return b.copy(ctx, s) }},
	}
	for i, r := range runners {
		runners[i] = b.memoryTouched(s.file.Size, r)
	}
	samples, err := bench.InTurn(ctx, b.runs, runners...)
	if err != nil {
		return err
	}
	goals := receiveGoals[s.kind.name]
	name := func(what, peer string) string {
		return fmt.Sprintf("receiving, %s events: %s, against %s", s.kind.name, what, peer)
	}
	ours, binlog := samples["ours"], samples["mysqlbinlog"]
	again, replica, syncer, floor := samples["ours again"], samples["replica"], samples["syncer"], samples["copy"]
	b.add(
		bench.Result{Name: name("CPU", "mysqlbinlog --raw"), Unit: "CPU-s/GiB", Ours: ours[cpu], Peer: binlog[cpu], Goal: goals.cpu},
		bench.Result{Name: name("throughput", "mysqlbinlog --raw"), Unit: "MiB/s", Ours: ours[rate], Peer: binlog[rate], Goal: goals.throughput},
		bench.Result{Name: name("CPU", "a replica's I/O thread"), Unit: "CPU-s/GiB", Ours: again[cpu], Peer: replica[cpu]},
		bench.Result{Name: name("throughput", "a replica's I/O thread"), Unit: "MiB/s", Ours: again[rate], Peer: replica[rate], Goal: goals.throughput},
		bench.Result{Name: name("CPU", "go-mysql's BinlogSyncer, raw, which keeps nothing"), Unit: "CPU-s/GiB", Ours: again[cpu], Peer: syncer[cpu]},
		bench.Result{Name: name("throughput", "go-mysql's BinlogSyncer, raw, which keeps nothing"), Unit: "MiB/s", Ours: again[rate], Peer: syncer[rate]},
		bench.Result{Name: name("CPU", "a plain copy of the socket to the file"), Unit: "CPU-s/GiB", Ours: again[cpu], Peer: floor[cpu]},
		bench.Result{Name: name("throughput", "a plain copy of the socket to the file"), Unit: "MiB/s", Ours: again[rate], Peer: floor[rate]},
		bench.Result{Name: fmt.Sprintf("receiving, %s events: commits", s.kind.name), Unit: "per GiB", Ours: ours["commits"]},
		bench.Result{Name: fmt.Sprintf("sealing (SHA-256, CRC32C), %s events: CPU", s.kind.name), Unit: "CPU-s/GiB", Ours: ours["seal cpu"]},
	)
	return nil
}

// Names of figures.
const (
	cpu  = "CPU-s/GiB"
	rate = "MiB/s"
)

func figures(s *source, seconds, cpuSeconds float64) map[string]float64 {
	return map[string]float64{cpu: cpuSeconds / s.gib(), rate: s.gib() * 1024 / seconds}
}

// ours runs the receiver once, into a directory below root.
func (b *bencher) ours(ctx context.Context, s *source, root string) (map[string]float64, error) {
	dir := filepath.Join(root, "received")
	defer os.RemoveAll(dir)
	var r received
	if err := b.self(ctx, &r, "receive", s.server.Addr(), dir); err != nil {
		return nil, err
	}
	f := figures(s, r.Seconds, r.CPUSeconds)
	f["commits"] = r.Commits / s.gib()
	f["seal cpu"] = r.SealCPUSeconds / s.gib()
	return f, nil
}

// syncer runs go-mysql's BinlogSyncer once.
func (b *bencher) syncer(ctx context.Context, s *source) (map[string]float64, error) {
	var r received
	if err := b.self(ctx, &r, "syncer", s.server.Addr()); err != nil {
		return nil, err
	}
	return figures(s, r.Seconds, r.CPUSeconds), nil
}

// self runs this program as the process under measurement and reads what it prints.
func (b *bencher) self(ctx context.Context, v any, args ...string) error {
	cmd := exec.CommandContext(ctx, b.binary, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return json.Unmarshal(out, v)
}
