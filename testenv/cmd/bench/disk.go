package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

// receiveOnDisk measures how the file of a source is received on disk, beside receiving in memory and
// what the disk itself can do.
func (b *bencher) receiveOnDisk(ctx context.Context, s *source) error {
	runners := []bench.Runner{
		{Name: "disk", Run: func(ctx context.Context) (map[string]float64, error) { return b.ours(ctx, s, b.disk) }},
		{Name: "memory", Run: func(ctx context.Context) (map[string]float64, error) { return b.ours(ctx, s, b.root) }},
		{Name: "raw", Run: func(ctx context.Context) (map[string]float64, error) {
			seconds, err := writeRaw(filepath.Join(b.disk, "raw"), s.file.Size)
			return map[string]float64{rate: s.gib() * 1024 / seconds}, err
		}},
	}
	for i, r := range runners {
		runners[i] = b.memoryTouched(s.file.Size, r)
	}
	samples, err := bench.InTurn(ctx, min(b.runs, 3), runners...)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("receiving on disk, %s events: throughput, against ", s.kind.name)
	b.add(
		bench.Result{Name: name + "writing alone", Unit: rate, Ours: samples["disk"][rate], Peer: samples["raw"][rate]},
		bench.Result{Name: name + "receiving on tmpfs", Unit: rate, Ours: samples["disk"][rate], Peer: samples["memory"][rate]},
	)
	return nil
}

// writeRaw writes a file of at least size bytes in chunks of 1 MiB, with fdatasync after each
// fourth, and removes it. It returns the seconds of writing.
func writeRaw(path string, size int64) (seconds float64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
	chunk := make([]byte, mib)
	start := time.Now()
	for n := 1; size > 0; n++ {
		if _, err := f.Write(chunk); err != nil {
			return 0, err
		}
		size -= mib
		if n%4 == 0 || size <= 0 {
			if err := syscall.Fdatasync(int(f.Fd())); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(start).Seconds(), nil
}
