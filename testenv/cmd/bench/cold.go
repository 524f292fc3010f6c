package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/throttle"
)

// distant is the line to a bucket that is not next door.
var distant = throttle.Line{BytesPerSecond: 100_000_000, Delay: 20 * time.Millisecond}

// cold measures how a client is sent a file that is in the bucket only, beside a download
// of it.
func (b *bencher) cold(ctx context.Context) error { return b.coldOf(ctx, b.size/2) }

func (b *bencher) coldOf(ctx context.Context, size int64) (err error) {
	s, err := startSource(ctx, b.disk, b.root, kind{name: large, rows: 100, valueBytes: 8000, size: size})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	server, wire, err := b.startBucket(ctx, throttle.Line{})
	if err != nil {
		return err
	}
	defer func() {
		wire.Close()
		err = errors.Join(err, server.Close())
	}()
	c := &coldFile{source: s, server: server, wire: wire}
	if err := b.withBucket(ctx, c, func(p *proxy) error { return p.waitStored(ctx) }); err != nil {
		return err
	}
	far, err := b.compareCold(ctx, c, distant, min(b.runs, 3))
	if err != nil {
		return err
	}
	near, err := b.compareCold(ctx, c, throttle.Line{}, min(b.runs, 2))
	if err != nil {
		return err
	}
	name := "serving one client a file that is only in the bucket, "
	b.add(
		bench.Result{Name: name + "100 MB/s and 20 ms away: throughput, against a download", Unit: rate, Ours: far["ours"][rate], Peer: far["raw"][rate], Goal: bench.AtLeastRatio(0.9)},
		bench.Result{Name: name + "on this machine: throughput, against a download", Unit: rate, Ours: near["ours"][rate], Peer: near["raw"][rate]},
		bench.Result{Name: name + "on this machine: CPU", Unit: cpu, Ours: near["ours"][cpu]},
	)
	return nil
}

// coldFile is a source's file and the bucket that it is in.
type coldFile struct {
	*source
	server *testenv.S3
	wire   *throttle.Proxy
}

// compareCold lets the file be downloaded and be served over a line, in turn.
func (b *bencher) compareCold(ctx context.Context, c *coldFile, line throttle.Line, runs int) (bench.Samples, error) {
	return bench.InTurn(ctx, runs,
		bench.Runner{Name: "raw", Run: func(ctx context.Context) (map[string]float64, error) {
			c.wire.Set(line)
			return c.download(ctx)
		}},
		bench.Runner{Name: "ours", Run: func(ctx context.Context) (f map[string]float64, err error) {
			c.wire.Set(throttle.Line{}) // the start is not what is measured
			err = b.withBucket(ctx, c, func(p *proxy) error {
				c.wire.Set(line)
				f, err = c.fetch(ctx, server{addr: p.Listen(), pid: p.PID()})
				return err
			})
			return f, err
		}},
	)
}

// withBucket starts a daemon without a disk of its own, calls do when it has received all
// that its source has, and ends it.
func (b *bencher) withBucket(ctx context.Context, c *coldFile, do func(*proxy) error) (err error) {
	end, err := proof.End(ctx, c.source.server)
	if err != nil {
		return err
	}
	p, err := b.newProxy(child.Options{
		Source: c.source.server.Addr(), User: testenv.ReplicationUser, Password: testenv.ReplicationPassword,
		Args: []string{"--bucket=" + c.server.URLAt(c.wire.Addr(), "bench")}, Env: c.server.Env(),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := errors.Join(p.Start(), p.WaitReady(waiting), p.WaitDurable(waiting, end), settle(waiting, p.PID()), do(p)); err != nil {
		return err
	}
	if code, err := p.Stop(); err != nil || code != 0 { // which gives the lease back
		return errors.Join(fmt.Errorf("the daemon ended with %d", code), err)
	}
	return nil
}

// download reads the file once, with the product's client of the store.
func (c *coldFile) download(ctx context.Context) (map[string]float64, error) {
	s, err := c.server.OpenAt(c.wire.Addr(), "bench")
	if err != nil {
		return nil, err
	}
	defer s.Close()
	b := bucket.New(s, "main", bucket.Options{})
	doc, err := b.Source(ctx)
	if err != nil || doc == nil {
		return nil, errors.Join(err, fmt.Errorf("source.json: %v", doc))
	}
	start := time.Now()
	body, err := s.Get(ctx, b.FileKey(doc.Timelines[0], fileName), store.Range{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	return map[string]float64{rate: float64(n) / mib / time.Since(start).Seconds()}, err
}
