package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/sink"
)

// Goals of serving one client, by kind of file.
var serveGoals = map[string]struct{ cpu, throughput bench.Goal }{
	small: {bench.AtMostRatio(0.3), bench.AtLeastRatio(3)},
	large: {bench.AtMostRatio(0.8), bench.AtLeastRatio(1)},
}

// server is one whose dumps are measured.
type server struct {
	addr   string
	pid    int
	daemon *child.Daemon // of ours
}

// serve measures how one client is sent the file of a source: by us, by mysqld's own
// dump thread, and by go-mysql's server.
func (b *bencher) serve(ctx context.Context, s *source) (err error) {
	ours, mysqld, end, err := b.both(ctx, s.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	library, err := b.startLibrary(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, library.close()) }()
	runner := func(name string, v server) bench.Runner {
		return bench.Runner{Name: name, Run: func(ctx context.Context) (map[string]float64, error) { return s.fetch(ctx, v) }}
	}
	slow := runner("go-mysql", library.server)
	slow.Once = true
	samples, err := bench.InTurn(ctx, b.runs, runner("ours", ours), runner("mysqld", mysqld), slow)
	if err != nil {
		return err
	}
	goals := serveGoals[s.kind.name]
	name := func(what, peer string) string {
		return fmt.Sprintf("serving one client, %s events: %s, against %s", s.kind.name, what, peer)
	}
	us, them, lib := samples["ours"], samples["mysqld"], samples["go-mysql"]
	b.add(
		bench.Result{Name: name("CPU", "mysqld"), Unit: cpu, Ours: us[cpu], Peer: them[cpu], Goal: goals.cpu},
		bench.Result{Name: name("throughput", "mysqld"), Unit: rate, Ours: us[rate], Peer: them[rate], Goal: goals.throughput},
		bench.Result{Name: name("CPU", "go-mysql's server"), Unit: cpu, Ours: us[cpu], Peer: lib[cpu]},
		bench.Result{Name: name("throughput", "go-mysql's server"), Unit: rate, Ours: us[rate], Peer: lib[rate]},
	)
	return nil
}

// both is the proxy behind a source, and that source.
func (b *bencher) both(ctx context.Context, source *testenv.MySQL) (ours, mysqld server, end func() error, err error) {
	pid, err := source.PID(ctx)
	if err != nil {
		return server{}, server{}, nil, err
	}
	p, err := b.startProxy(ctx, source)
	if err != nil {
		return server{}, server{}, nil, err
	}
	return server{p.Listen(), p.PID(), p.Daemon}, server{addr: source.Addr(), pid: pid}, p.close, nil
}

// perPacket is what each event has before it: the packet's header and a zero.
const perPacket = wire.HeaderLen + 1

// dumpSize is how many bytes a dump of the source's file has at least.
func (s *source) dumpSize() int64 {
	return s.file.Size - replication.FirstEventOffset + s.file.Events*perPacket
}

// fetchBuffer is what one read takes at most: large, for throughput.
const fetchBuffer = 1 << 20

// fetch dumps the source's file once from a server, from the dump command until all
// bytes of it have come.
func (s *source) fetch(ctx context.Context, v server) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, receiveLimit)
	defer cancel()
	before, err := bench.ProcessCPU(v.pid)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	client, err := openSink(ctx, v.addr, 3_000_000_001, replication.Position{File: fileName, Offset: replication.FirstEventOffset})
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	expected := s.dumpSize()
	var seconds float64
	err = client.Run(fetchBuffer, func(total int64) {
		if total >= expected && seconds == 0 {
			seconds = time.Since(start).Seconds()
			_ = client.Close()
		}
	})
	after, cpuErr := bench.ProcessCPU(v.pid)
	if err := errors.Join(err, cpuErr, ctx.Err()); err != nil {
		return nil, err
	}
	if seconds == 0 {
		return nil, fmt.Errorf("%s ended the dump after %d bytes of %d", v.addr, client.Total(), expected)
	}
	return figures(s, seconds, (after - before).Seconds()), nil
}

func credentials(addr string) dial.Options {
	return dial.Options{Addr: addr, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword, ConnectTimeout: time.Minute}
}

// openSink begins a dump by file and position.
func openSink(ctx context.Context, addr string, serverID uint32, at replication.Position) (*sink.Sink, error) {
	command := wire.BinlogDump{Position: uint32(at.Offset), ServerID: serverID, File: at.File}
	return sink.Open(ctx, credentials(addr), command.Append(nil))
}
