package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/composed"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

// begin is a start of the daemon on so many sealed files.
type begin struct {
	files int
	goal  bench.Goal // in seconds
}

var begins = []begin{{1000, bench.AtMost(1)}, {10_000, bench.AtMost(3)}}

// start measures how the real binary starts on many files.
func (b *bencher) start(ctx context.Context) error { return b.startOn(ctx, begins) }

// startOn lets the daemon receive ever more files from a source that has nothing else to
// do, and measures its starts on them.
func (b *bencher) startOn(ctx context.Context, begins []begin) (err error) {
	files, err := tinyFiles(b.root, begins[len(begins)-1].files+1)
	if err != nil {
		return err
	}
	source, err := fakesource.Start(fakesource.Options{Files: []fakesource.File{stillOpen(files[0])}})
	if err != nil {
		return err
	}
	defer source.Close()
	p, err := b.newProxy(child.Options{Source: source.Addr(), User: fakesource.DefaultUser, Password: fakesource.DefaultPassword})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.Start(); err != nil {
		return err
	}
	for _, c := range begins {
		last := stillOpen(files[c.files])
		source.SetFiles(append(files[:c.files:c.files], last)...)
		if err := p.WaitDurable(ctx, replication.Position{File: last.Name, Offset: last.Size()}.String()); err != nil {
			return err
		}
		if err := settle(ctx, p.PID()); err != nil { // until all are sealed
			return err
		}
		samples, err := bench.InTurn(ctx, min(b.runs, 3), bench.Runner{Name: "ours", Run: p.restart})
		if err != nil {
			return err
		}
		b.add(bench.Result{Name: fmt.Sprintf("start on %d sealed files, until ready", c.files), Unit: "s", Ours: samples["ours"]["start"], Goal: c.goal})
	}
	return nil
}

// restart ends the daemon and measures until it is ready again: its log is open, it
// follows its source and serves.
func (p *proxy) restart(ctx context.Context) (map[string]float64, error) {
	if code, err := p.Stop(); err != nil || code != 0 {
		return nil, errors.Join(fmt.Errorf("the daemon ended with %d", code), err)
	}
	start := time.Now()
	if err := errors.Join(p.Start(), p.WaitReady(ctx)); err != nil {
		return nil, err
	}
	return map[string]float64{"start": time.Since(start).Seconds()}, nil
}

// tinyFiles are files of one source, each with a transaction of its own.
func tinyFiles(dir string, n int) (files []fakesource.File, err error) {
	name := func(i int) string { return fmt.Sprintf("binlog.%06d", i) }
	path := filepath.Join(dir, "tiny")
	defer func() { err = errors.Join(err, os.Remove(path)) }()
	for i := 1; i <= n; i++ {
		executed := ""
		if i > 1 {
			executed = fmt.Sprintf("%s:1-%d", fakesource.RecordedUUID, i-1)
		}
		previous, err := replication.ParseGTIDSet(executed)
		if err != nil {
			return nil, err
		}
		uuid, err := replication.ParseUUID(fakesource.RecordedUUID)
		if err != nil {
			return nil, err
		}
		f := composed.Create(path, previous)
		f.Transaction(replication.GTID{UUID: uuid, Number: int64(i)}, 300)
		f.Rotate(name(i + 1))
		if err := f.Close(); err != nil {
			return nil, err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files = append(files, fakesource.File{Name: name(i), Bytes: content})
	}
	return files, nil
}

// stillOpen is a file without the ROTATE at its end.
func stillOpen(f fakesource.File) fakesource.File {
	offsets := f.Offsets()
	f.Bytes = f.Bytes[:offsets[len(offsets)-2]]
	return f
}
