package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
	"github.com/binlogproxy/binlogproxy/testenv/httpfaults"
)

// history measures the start without a disk on a bucket with many files, and what opening
// them costs.
func (b *bencher) history(ctx context.Context) error { return b.historyOf(ctx, 10_000) }

func (b *bencher) historyOf(ctx context.Context, n int) (err error) {
	files, err := tinyFiles(b.root, n+1)
	if err != nil {
		return err
	}
	held, err := holdFiles(ctx, filepath.Join(b.root, "held"), files[:n])
	if err != nil {
		return err
	}
	server, err := testenv.StartS3(ctx, testenv.S3Options{Dir: b.disk})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	store, err := server.Open("bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	there := []int{1, n / 3, n / 2, n - 1, n} // that can be read, and files behind them: a client goes on
	err = held.populate(ctx, store, func(seq uint64) bool {
		for _, file := range there {
			if seq == uint64(file) || seq == uint64(file)+1 {
				return true
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	source, err := fakesource.Start(fakesource.Options{
		User: testenv.ReplicationUser, Password: testenv.ReplicationPassword, Files: []fakesource.File{files[n-1], stillOpen(files[n])},
	})
	if err != nil {
		return err
	}
	defer source.Close()
	wire := httpfaults.New(server.Addr())
	defer wire.Close()
	p, err := b.newProxy(child.Options{
		Source: source.Addr(), User: testenv.ReplicationUser, Password: testenv.ReplicationPassword,
		Args: []string{"--bucket=" + server.URLAt(wire.Addr(), "bench")}, Env: server.Env(),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := b.startFromBucket(ctx, p, wire, n); err != nil {
		return err
	}
	return b.openFiles(ctx, p, wire, there[1:])
}

// historyLimit is how long may pass until history is served.
const historyLimit = 30 * time.Second

// startFromBucket measures until the first file is served.
func (b *bencher) startFromBucket(ctx context.Context, p *proxy, wire *httpfaults.Proxy, n int) error {
	ctx, cancel := context.WithTimeout(ctx, historyLimit)
	defer cancel()
	start := time.Now()
	if err := p.Start(); err != nil {
		return err
	}
	if err := p.WaitFor(ctx, "serving history", func() bool { return opensAt(ctx, p.Listen(), nil) == nil }); err != nil {
		return err
	}
	seconds, all := time.Since(start).Seconds(), wire.Requests()
	proving := 0 // that the bucket honours conditions, which runs beside
	for _, r := range all {
		if strings.Contains(r, "/probe") {
			proving++
		}
	}
	peak, err := bench.PeakMemory(p.PID())
	if err != nil {
		return err
	}
	name := fmt.Sprintf("start without a disk on %d files in a bucket, until history is served", n)
	b.add(
		bench.Result{Name: name, Unit: "s", Ours: bench.Sample{seconds}, Goal: bench.AtMost(5)},
		bench.Result{Name: name + ": catalog, lease and file", Unit: "requests", Ours: bench.Sample{float64(len(all) - proving)}, Goal: bench.AtMost(32)},
		bench.Result{Name: name + ": the probe beside it", Unit: "requests", Ours: bench.Sample{float64(proving)}},
		bench.Result{Name: name + ": most memory resident", Unit: "MiB", Ours: bench.Sample{float64(peak) / mib}, Goal: bench.AtMost(96)},
	)
	return nil
}

// openFiles counts what clients that begin with those files, and have all before, ask the
// bucket for until their first event.
func (b *bencher) openFiles(ctx context.Context, p *proxy, wire *httpfaults.Proxy, files []int) error {
	var most bench.Sample
	for _, file := range files {
		has, err := replication.ParseGTIDSet(fmt.Sprintf("%s:1-%d", fakesource.RecordedUUID, file-1))
		if err != nil {
			return err
		}
		before := len(wire.Requests())
		if err := opensAt(ctx, p.Listen(), has); err != nil {
			return fmt.Errorf("opening file %d: %w", file, err)
		}
		requests := 0
		for _, r := range wire.Requests()[before:] {
			if strings.Contains(r, "/files/"+fmt.Sprintf("binlog.%06d", file)) { // the next one is only prefetched
				requests++
			}
		}
		most = append(most, float64(requests))
	}
	b.add(bench.Result{Name: "opening a file of the bucket at a GTID", Unit: "requests", Ours: bench.Sample{most.Max()}, Goal: bench.AtMost(2)})
	return nil
}

// opensAt starts as a replica that has the given set, and returns when it has a transaction.
func opensAt(ctx context.Context, addr string, has *replication.GTIDSet) error {
	_, err := startReplicaAt(ctx, addr, has, replication.GTIDEventType)
	return err
}
