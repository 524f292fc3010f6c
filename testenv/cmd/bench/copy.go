package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// copyOnce is the process under measurement that shows what the kernel's part of receiving
// is: it begins the same dump and copies what the socket gives to a file, until size bytes
// have come. It looks at nothing and waits for nothing but the socket.
func copyOnce(ctx context.Context, out io.Writer, addr, path, size string) (err error) {
	expected, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	cpu, start := ownCPU(), time.Now()
	client, err := openSink(ctx, addr, 4_000_003, replication.Position{File: fileName, Offset: replication.FirstEventOffset})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := client.Copy(f, fetchBuffer, expected); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(received{Seconds: time.Since(start).Seconds(), CPUSeconds: (ownCPU() - cpu).Seconds()})
}

// copy runs the plain copy once, on the file system of b.root.
func (b *bencher) copy(ctx context.Context, s *source) (map[string]float64, error) {
	path := filepath.Join(b.root, "copied")
	defer os.Remove(path)
	var r received
	if err := b.self(ctx, &r, "copy", s.server.Addr(), path, strconv.FormatInt(s.dumpSize(), 10)); err != nil {
		return nil, err
	}
	return figures(s, r.Seconds, r.CPUSeconds), nil
}
