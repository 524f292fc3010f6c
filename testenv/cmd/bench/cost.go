package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/uploadcost"
)

// What the daemon does unless told otherwise.
const (
	pieceInterval = 5 * time.Second
	leaseTime     = 30 * time.Second
)

// rates are those of sources whose upload is counted.
var rates = []struct {
	name  string
	bytes int64 // a second
	goal  bench.Goal
}{
	{"20 MiB/s", 20 << 20, bench.AtMost(1.05)},
	{"100 KiB/s", 100 << 10, bench.AtMost(2.05)},
}

// cost counts what a bucket is asked for and sent, by a clock that nobody waits for.
func (b *bencher) cost(ctx context.Context) error { return b.costOf(ctx, 256<<20) }

func (b *bencher) costOf(ctx context.Context, file int64) error {
	for _, r := range rates {
		dir, err := os.MkdirTemp(b.root, "cost-")
		if err != nil {
			return err
		}
		c, err := uploadcost.Count(ctx, uploadcost.Options{Dir: dir, Rate: r.bytes, File: file, Files: 1, Interval: pieceInterval, Lease: leaseTime})
		if err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		name := fmt.Sprintf("copying a source of %s into a bucket: ", r.name)
		gib := float64(c.Binlog) / (1 << 30)
		b.add(
			bench.Result{Name: name + "bytes sent", Unit: "per byte of binlog", Ours: bench.Sample{float64(c.Uploaded()) / float64(c.Binlog)}, Goal: r.goal},
			bench.Result{Name: name + "pieces written, against one an interval and one for each 8 MiB", Unit: "per GiB",
				Ours: bench.Sample{float64(c.Pieces) / gib}, Peer: bench.Sample{c.Elapsed.Seconds()/pieceInterval.Seconds()/gib + 1<<30/float64(8<<20)}, Goal: bench.AtMostRatio(1)},
			bench.Result{Name: name + "requests, sealing and the lease included", Unit: "per GiB", Ours: bench.Sample{float64(c.Requests()) / gib}},
		)
	}
	return nil
}
