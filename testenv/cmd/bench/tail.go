package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

const (
	fewClients  = 32
	manyClients = 1000
	mib         = 1 << 20
)

// load is what the source commits: transactions of 1 kB, and one each interval.
type load struct {
	count    int
	interval time.Duration
}

var (
	tailLoad = load{1000, 4 * time.Millisecond}
	manyLoad = load{500, 10 * time.Millisecond}
)

// watched is what a phase of load has shown.
type watched struct {
	ours, mysqld time.Duration  // processor time of each
	lags         []bench.Sample // of each client
}

// watch lets n clients follow a server, and one more the proxy, whose lags are the
// first, while the source commits.
func (l *live) watch(ctx context.Context, v server, n int, load load) (w watched, err error) {
	c := &commits{}
	first, err := l.follow(ctx, l.ours, 1, load.count, c)
	defer closeAll(first)
	if err != nil {
		return w, err
	}
	rest, err := l.follow(ctx, v, n, load.count, c)
	defer closeAll(rest)
	if err != nil {
		return w, err
	}
	ours, err := bench.ProcessCPU(l.ours.pid)
	if err != nil {
		return w, err
	}
	mysqld, err := bench.ProcessCPU(l.mysqld.pid)
	if err != nil {
		return w, err
	}
	all := append(first, rest...)
	if err := errors.Join(l.commit(ctx, load, c), wait(ctx, all)); err != nil {
		return w, err
	}
	oursAfter, err := bench.ProcessCPU(l.ours.pid)
	if err != nil {
		return w, err
	}
	mysqldAfter, err := bench.ProcessCPU(l.mysqld.pid)
	w.ours, w.mysqld = oursAfter-ours, mysqldAfter-mysqld
	for _, f := range all {
		w.lags = append(w.lags, f.lags)
	}
	return w, err
}

func (l *live) commit(ctx context.Context, load load, c *commits) error {
	tick := time.NewTicker(load.interval)
	defer tick.Stop()
	for range load.count {
		<-tick.C
		c.begin()
		if _, err := l.source.DB().ExecContext(ctx, l.insert); err != nil {
			return err
		}
	}
	return nil
}

// tail measures clients at the live end; many of them last, since the proxy's peak stays.
func (b *bencher) tail(ctx context.Context) (err error) {
	l, err := b.startLive(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.end()) }()
	return errors.Join(b.latency(ctx, l), b.few(ctx, l), b.many(ctx, l))
}

// few measures 32 clients: what they cost the proxy and mysqld, and whether the
// receiver lags because of them.
func (b *bencher) few(ctx context.Context, l *live) error {
	runner := func(name string, v server, n int) bench.Runner {
		return bench.Runner{Name: name, Run: func(ctx context.Context) (map[string]float64, error) {
			w, err := l.watch(ctx, v, n, tailLoad)
			if err != nil {
				return nil, err
			}
			return map[string]float64{"ours": w.ours.Seconds(), "mysqld": w.mysqld.Seconds(), "lag": w.lags[0].Median()}, nil
		}}
	}
	samples, err := bench.InTurn(ctx, b.runs, runner("alone", l.ours, 0), runner("ours", l.ours, fewClients), runner("mysqld", l.mysqld, fewClients))
	if err != nil {
		return err
	}
	peak, err := bench.PeakMemory(l.ours.pid)
	if err != nil {
		return err
	}
	alone, ours, mysqld := samples["alone"], samples["ours"], samples["mysqld"]
	b.add(
		bench.Result{Name: "32 clients at the live end: CPU of each, against mysqld", Unit: "us/transaction",
			Ours: perClient(ours["ours"], alone["ours"]), Peer: perClient(mysqld["mysqld"], alone["mysqld"]), Goal: bench.AtMostRatio(0.5)},
		bench.Result{Name: "32 clients at the live end: median lag of one more, against it alone", Unit: "ms",
			Ours: ours["lag"], Peer: alone["lag"], Goal: bench.AtMostRatio(1)},
		bench.Result{Name: "32 clients at the live end: median lag of one more, against it with the 32 at mysqld", Unit: "ms",
			Ours: ours["lag"], Peer: mysqld["lag"]},
		bench.Result{Name: "32 clients at the live end: most memory resident", Unit: "MiB",
			Ours: bench.Sample{float64(peak) / mib}, Goal: bench.AtMost(64)},
	)
	return nil
}

// perClient is what each of 32 clients costs in microseconds a transaction, from the
// seconds of processor with them and without.
func perClient(with, without bench.Sample) bench.Sample {
	var s bench.Sample
	for i := range with {
		s = append(s, (with[i]-without[i])*1e6/fewClients/float64(tailLoad.count))
	}
	return s
}

// many measures 1,000 clients.
func (b *bencher) many(ctx context.Context, l *live) error {
	w, err := l.watch(ctx, l.ours, manyClients, manyLoad)
	if err != nil {
		return err
	}
	peak, err := bench.PeakMemory(l.ours.pid)
	if err != nil {
		return err
	}
	var medians, worst bench.Sample
	for _, lags := range w.lags {
		medians, worst = append(medians, lags.Median()), append(worst, lags.Max())
	}
	name := fmt.Sprintf("%d clients at the live end, 100 transactions/s: ", manyClients)
	b.add(
		bench.Result{Name: name + "longest lag", Unit: "ms", Ours: bench.Sample{worst.Max()}, Goal: bench.AtMost(100)},
		bench.Result{Name: name + "median of the clients' median lags", Unit: "ms", Ours: bench.Sample{medians.Median()}},
		bench.Result{Name: name + "most memory resident", Unit: "MiB", Ours: bench.Sample{float64(peak) / mib}, Goal: bench.AtMost(64 + manyClients/16.0)},
	)
	return nil
}
