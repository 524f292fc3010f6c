package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

var latencyLoad = load{200, 10 * time.Millisecond}

// syncs is how often the disk is asked in each run.
const syncs = 200

// latency measures how much later a transaction comes through the proxy than directly:
// two clients of the same commits. The disk's own fdatasync is measured in turn.
func (b *bencher) latency(ctx context.Context, l *live) error {
	samples, err := bench.InTurn(ctx, b.runs,
		bench.Runner{Name: "clients", Run: func(ctx context.Context) (map[string]float64, error) {
			before, err := l.syncsOfOurs(ctx)
			if err != nil {
				return nil, err
			}
			w, err := l.watch(ctx, l.mysqld, 1, latencyLoad)
			if err != nil {
				return nil, err
			}
			after, err := l.syncsOfOurs(ctx)
			if err != nil {
				return nil, err
			}
			through, direct := w.lags[0], w.lags[1]
			return map[string]float64{
				"through p50": through.Median(), "through p99": through.Quantile(0.99),
				"direct p50": direct.Median(), "direct p99": direct.Quantile(0.99),
				"added p50": through.Median() - direct.Median(), "added p99": through.Quantile(0.99) - direct.Quantile(0.99),
				"sync": (after.seconds - before.seconds) / (after.count - before.count) * 1000,
			}, nil
		}},
		bench.Runner{Name: "disk", Run: func(context.Context) (map[string]float64, error) {
			s, err := syncTimes(filepath.Join(b.disk, "synced"))
			return map[string]float64{"p50": s.Median(), "p99": s.Quantile(0.99)}, err
		}},
	)
	if err != nil {
		return err
	}
	clients, disk := samples["clients"], samples["disk"]
	b.add(
		bench.Result{Name: "from commit to client, p50: through the proxy, against directly", Unit: "ms", Ours: clients["through p50"], Peer: clients["direct p50"]},
		bench.Result{Name: "from commit to client, p99: through the proxy, against directly", Unit: "ms", Ours: clients["through p99"], Peer: clients["direct p99"]},
		bench.Result{Name: "latency added, p50, beside the disk's fdatasync", Unit: "ms", Ours: clients["added p50"], Peer: disk["p50"],
			Goal: bench.AtMost(disk["p50"].Median() + 0.3)},
		bench.Result{Name: "of that the proxy's own fsync, mean, while the source's run too", Unit: "ms", Ours: clients["sync"]},
		bench.Result{Name: "latency added, p99, beside the disk's fdatasync", Unit: "ms", Ours: clients["added p99"], Peer: disk["p99"]},
	)
	return nil
}

// syncsOfOurs are the fsyncs of binlog bytes that the proxy has made so far.
func (l *live) syncsOfOurs(ctx context.Context) (s struct{ seconds, count float64 }, err error) {
	const name = "binlogproxy_log_fsync_duration_seconds"
	if s.seconds, err = l.ours.daemon.Metric(ctx, name+"_sum"); err != nil {
		return s, err
	}
	s.count, err = l.ours.daemon.Metric(ctx, name+"_count")
	return s, err
}

// syncTimes are those of appending 1 kB to a file and making it durable, in milliseconds.
func syncTimes(path string) (s bench.Sample, err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
	block := make([]byte, 1000)
	for range syncs {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		s = append(s, milliseconds(time.Since(start)))
	}
	return s, nil
}
