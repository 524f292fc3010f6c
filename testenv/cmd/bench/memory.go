package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

// memoryTouched is a runner each of whose runs begins when memory for a file of size bytes, and
// for a little more, was in use a moment ago. A virtual machine's host takes back what was
// not, and the first write to that costs several times as much: it would be charged to
// whoever runs behind one that needs long. What this takes is no part of a measurement.
func (b *bencher) memoryTouched(size int64, r bench.Runner) bench.Runner {
	run := r.Run
	r.Run = func(ctx context.Context) (map[string]float64, error) {
		if err := touchMemory(filepath.Join(b.root, "touched"), size+size/8); err != nil {
			return nil, err
		}
		return run(ctx)
	}
	return r
}

// touchMemory writes a file of at least size bytes and removes it.
func touchMemory(path string, size int64) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
	chunk := make([]byte, mib)
	for ; size > 0; size -= int64(len(chunk)) {
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}
