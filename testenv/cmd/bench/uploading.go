package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/throttle"
)

// paced is how fast the source writes while its log is copied; slowly until the daemon has
// its lease.
var (
	paced  = throttle.Line{BytesPerSecond: 50 * mib}
	slowly = throttle.Line{BytesPerSecond: mib / 2}
	narrow = throttle.Line{BytesPerSecond: mib, Delay: 200 * time.Millisecond} // to a bucket that is slow
)

// memory names the most that was resident, in MiB.
const memory = "memory"

// beside is a bucket while a source is received.
type beside struct {
	name   string
	bucket bool
	begin  func(*testenv.S3, *throttle.Proxy) error // when the daemon has its lease; nil = all stays well
	mend   func(*testenv.S3) error                  // when all is received; nil = it stays so
}

var besides = []beside{
	{name: "none"},
	{name: "well", bucket: true},
	{name: "down", bucket: true, begin: func(s *testenv.S3, _ *throttle.Proxy) error { return s.Kill() }},
	{name: "hangs", bucket: true, begin: func(s *testenv.S3, _ *throttle.Proxy) error { return s.Pause() }, mend: (*testenv.S3).Unpause},
	{name: "slow", bucket: true, begin: func(_ *testenv.S3, line *throttle.Proxy) error {
		line.Set(narrow)
		return nil
	}},
}

// upload measures what copying into a bucket costs, and that it costs the receiving nothing.
func (b *bencher) upload(ctx context.Context) error { return b.uploadOf(ctx, b.size/2) }

func (b *bencher) uploadOf(ctx context.Context, size int64) (err error) {
	s, err := startSource(ctx, b.disk, b.root, kind{name: large, rows: 100, valueBytes: 8000, size: size})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	var runners []bench.Runner
	for _, v := range besides {
		runners = append(runners, bench.Runner{Name: v.name, Run: func(ctx context.Context) (map[string]float64, error) { return b.receiveBeside(ctx, s, v) }})
	}
	samples, err := bench.InTurn(ctx, min(b.runs, 3), runners...)
	if err != nil {
		return err
	}
	none := samples["none"]
	line := func(what, name string) bench.Result {
		return bench.Result{Name: "receiving from a source of 50 MiB/s: throughput with a bucket" + what + ", against none", Unit: rate,
			Ours: samples[name][rate], Peer: none[rate], Goal: bench.AtLeastRatio(0.95)}
	}
	b.add(line("", "well"), line(" that is down", "down"), line(" that hangs", "hangs"), line(" that takes 1 MiB/s", "slow"),
		bench.Result{Name: "copying into a bucket: CPU", Unit: cpu, Ours: samples["hangs"][cpu]},
		bench.Result{Name: "receiving from a source of 50 MiB/s: most memory resident with a bucket, against none", Unit: "MiB", Ours: samples["well"][memory], Peer: none[memory]},
	)
	return nil
}

// receiveBeside lets the daemon receive the source's file once, at a pace.
func (b *bencher) receiveBeside(ctx context.Context, s *source, v beside) (_ map[string]float64, err error) {
	line, err := throttle.Start(s.server.Addr(), slowly)
	if err != nil {
		return nil, err
	}
	defer line.Close()
	options := child.Options{Source: line.Addr(), User: testenv.ReplicationUser, Password: testenv.ReplicationPassword}
	begin, mend := nothing, nothing
	if v.bucket {
		server, wire, err := b.startBucket(ctx, throttle.Line{})
		if err != nil {
			return nil, err
		}
		defer func() {
			wire.Close()
			err = errors.Join(err, server.Close())
		}()
		if v.begin != nil {
			begin = func() error { return v.begin(server, wire) }
		}
		if v.mend != nil {
			mend = func() error { return v.mend(server) }
		}
		options.Args, options.Env = []string{"--bucket=" + server.URLAt(wire.Addr(), "bench")}, server.Env()
	}
	p, err := b.newProxy(options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	figures, err := p.receivePaced(ctx, s, line, begin)
	if err == nil && v.mend != nil {
		figures[cpu], err = p.copyRest(ctx, s, mend)
	}
	if err != nil {
		return nil, err
	}
	peak, err := bench.PeakMemory(p.PID())
	figures[memory] = float64(peak) / mib
	return figures, err
}

func nothing() error { return nil }

// startBucket starts an S3 server, and a line to it.
func (b *bencher) startBucket(ctx context.Context, line throttle.Line) (*testenv.S3, *throttle.Proxy, error) {
	server, err := testenv.StartS3(ctx, testenv.S3Options{Dir: b.disk})
	if err != nil {
		return nil, nil, err
	}
	wire, err := throttle.Start(server.Addr(), line)
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	return server, wire, nil
}

// receivePaced starts the daemon, calls begin when it receives, and then measures how fast
// it has the rest.
func (p *proxy) receivePaced(ctx context.Context, s *source, line *throttle.Proxy, begin func() error) (map[string]float64, error) {
	end, err := proof.End(ctx, s.server)
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	var from replication.Position
	if err := p.WaitFor(ctx, "receiving", func() bool {
		st, err := p.bucketStatus(ctx)
		from, _ = replication.ParsePosition(st.Durable)
		return err == nil && from.Offset > replication.FirstEventOffset
	}); err != nil {
		return nil, err
	}
	if err := begin(); err != nil {
		return nil, err
	}
	line.Set(paced)
	start := time.Now()
	if err := p.WaitDurable(ctx, end); err != nil {
		return nil, err
	}
	return map[string]float64{rate: float64(s.file.Size-from.Offset) / mib / time.Since(start).Seconds()}, nil
}

// copyRest lets the bucket come back when all is received and sealed, and measures what
// copying the source's file takes: nearly all of it is still to be done.
func (p *proxy) copyRest(ctx context.Context, s *source, mend func() error) (float64, error) {
	if err := settle(ctx, p.PID()); err != nil {
		return 0, err
	}
	before, err := bench.ProcessCPU(p.PID())
	if err != nil {
		return 0, err
	}
	if err := errors.Join(mend(), p.waitStored(ctx), settle(ctx, p.PID())); err != nil {
		return 0, err
	}
	after, err := bench.ProcessCPU(p.PID())
	return (after - before).Seconds() / s.gib(), err
}

// bucketStatus is what /status says of the one source and its bucket.
type bucketStatus struct {
	Durable string `json:"durable"`
	Bucket  struct {
		Stored       string `json:"stored"`
		PendingFiles int    `json:"pending_files"`
	} `json:"bucket"`
}

func (p *proxy) bucketStatus(ctx context.Context) (bucketStatus, error) {
	var st struct {
		Sources []bucketStatus `json:"sources"`
	}
	if err := p.Status(ctx, &st); err != nil || len(st.Sources) != 1 {
		return bucketStatus{}, errors.Join(err, fmt.Errorf("%d sources in /status", len(st.Sources)))
	}
	return st.Sources[0], nil
}

// waitStored waits until the bucket has all that the daemon has.
func (p *proxy) waitStored(ctx context.Context) error {
	return p.WaitFor(ctx, "stored", func() bool {
		st, err := p.bucketStatus(ctx)
		return err == nil && st.Bucket.Stored == st.Durable && st.Bucket.PendingFiles == 0
	})
}
