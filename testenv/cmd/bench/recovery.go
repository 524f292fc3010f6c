package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/composed"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/throttle"
)

// recoveryGoal is in seconds.
var recoveryGoal = bench.AtMost((pieceInterval + time.Second).Seconds())

// recovery measures what is lost when the daemon is killed and its disk is gone: the age
// of the oldest that the bucket lacks.
func (b *bencher) recovery(ctx context.Context) error {
	return errors.Join(b.recoverySmall(ctx, 4), b.recoveryLarge(ctx, 1<<30))
}

// recoverySmall kills the daemon so often, at any time, while a source commits small
// transactions. Age is since the commit.
func (b *bencher) recoverySmall(ctx context.Context, kills int) (err error) {
	source, err := testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "live source"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Terminate(context.WithoutCancel(ctx))) }()
	s, err := b.startStored(ctx, source.Addr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, statement := range []string{"CREATE DATABASE bench", "CREATE TABLE bench.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)"} {
		if _, err := source.DB().ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	stop := s.watch(ctx, func(ctx context.Context) (string, error) {
		if _, err := source.DB().ExecContext(ctx, "INSERT INTO bench.t (v) VALUES (REPEAT('v', 1000))"); err != nil {
			return "", err
		}
		return proof.End(ctx, source)
	})
	defer stop()
	var lost bench.Sample
	for range kills {
		age, err := s.kill(ctx, func() error { return pause(ctx, pieceInterval+anyTime(pieceInterval)) })
		if err != nil {
			return err
		}
		lost = append(lost, age.Seconds())
	}
	b.add(bench.Result{Name: "recovery point, disk lost, small transactions: age of the oldest one lost, at worst", Unit: "s",
		Ours: bench.Sample{lost.Max()}, Goal: recoveryGoal})
	return nil
}

// recoveryLarge kills the daemon in the middle of a transaction of size bytes that comes
// at a pace, and again when it has all of it. Age is since the daemon had it.
func (b *bencher) recoveryLarge(ctx context.Context, size int64) (err error) {
	source, err := startServer(ctx, b.disk, b.root, kind{name: "large"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.close(context.WithoutCancel(ctx))) }()
	if err := source.composeTransaction(ctx, size); err != nil {
		return err
	}
	end, err := proof.End(ctx, source.server)
	if err != nil {
		return err
	}
	line, err := throttle.Start(source.server.Addr(), paced)
	if err != nil {
		return err
	}
	defer line.Close()
	s, err := b.startStored(ctx, line.Addr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	stop := s.watch(ctx, func(ctx context.Context) (string, error) {
		st, err := s.bucketStatus(ctx)
		return st.Durable, err
	})
	defer stop()
	middle := replication.Position{File: fileName, Offset: size/3 + rand.Int64N(size/3)}
	inside, err := s.kill(ctx, func() error {
		return s.WaitFor(ctx, "in the middle", func() bool { return behind(s.last(), middle) })
	})
	if err != nil {
		return err
	}
	after, err := s.kill(ctx, func() error { return errors.Join(s.WaitDurable(ctx, end), pause(ctx, anyTime(pieceInterval))) })
	if err != nil {
		return err
	}
	b.add(
		bench.Result{Name: "recovery point, disk lost in a transaction of 1 GiB at 50 MiB/s: age of the oldest byte lost", Unit: "s", Ours: bench.Sample{inside.Seconds()}, Goal: recoveryGoal},
		bench.Result{Name: "recovery point, disk lost behind that transaction: age of the oldest byte lost", Unit: "s", Ours: bench.Sample{after.Seconds()}, Goal: recoveryGoal},
	)
	return nil
}

// anyTime is a random time below d.
func anyTime(d time.Duration) time.Duration { return rand.N(d) }

// composeTransaction lets the server hold a file with a transaction of size bytes.
func (s *source) composeTransaction(ctx context.Context, size int64) error {
	text, err := s.server.ServerUUID(ctx)
	if err != nil {
		return err
	}
	uuid, err := replication.ParseUUID(text)
	if err != nil {
		return err
	}
	var rows []int64
	for range size / mib {
		rows = append(rows, mib)
	}
	return s.hold(ctx, func(path string) error {
		f := composed.Create(path, &replication.GTIDSet{})
		f.Transaction(replication.GTID{UUID: uuid, Number: 1}, rows...)
		f.Rotate(nextName)
		return f.Close()
	})
}

// stored is a daemon with a bucket, and what was seen of the source.
type stored struct {
	*proxy
	server *testenv.S3
	wire   *throttle.Proxy

	mu   sync.Mutex // guards seen
	seen []seen
}

// seen is how far the source, or what the daemon has of it, was at a time.
type seen struct {
	at  time.Time
	pos replication.Position
}

func (b *bencher) startStored(ctx context.Context, source string) (*stored, error) {
	server, wire, err := b.startBucket(ctx, throttle.Line{})
	if err != nil {
		return nil, err
	}
	p, err := b.newProxy(child.Options{
		Source: source, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword,
		Args: []string{"--bucket=" + server.URLAt(wire.Addr(), "bench")}, Env: server.Env(),
	})
	if err != nil {
		wire.Close()
		return nil, errors.Join(err, server.Close())
	}
	return &stored{proxy: p, server: server, wire: wire}, nil
}

func (s *stored) close() error {
	err := s.proxy.close()
	s.wire.Close()
	return errors.Join(err, s.server.Close())
}

// watch looks at what next says, again and again until stop returns. Its errors mean that
// there is nothing to be seen at the moment.
func (s *stored) watch(ctx context.Context, next func(context.Context) (string, error)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() {
		for pause(ctx, 10*time.Millisecond) == nil {
			at := time.Now()
			text, err := next(ctx)
			if err != nil {
				continue
			}
			if pos, err := replication.ParsePosition(text); err == nil {
				s.mu.Lock()
				s.seen = append(s.seen, seen{at, pos})
				s.mu.Unlock()
			}
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		work.Wait()
	})
}

// last is the newest that was seen.
func (s *stored) last() replication.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		return replication.Position{}
	}
	return s.seen[len(s.seen)-1].pos
}

func behind(pos, than replication.Position) bool {
	return pos.File > than.File || pos.File == than.File && pos.Offset > than.Offset
}

// kill starts the daemon, kills it when wait returns, and gives the age of the oldest that
// the bucket lacks then.
func (s *stored) kill(ctx context.Context, wait func() error) (time.Duration, error) {
	if err := errors.Join(s.Start(), s.WaitReady(ctx), wait(), s.Kill()); err != nil {
		return 0, err
	}
	at := time.Now()
	end, err := s.inBucket(ctx)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seen := range s.seen {
		if behind(seen.pos, end) {
			return max(0, at.Sub(seen.at)), nil
		}
	}
	return 0, nil
}

// inBucket is how far the source's files reach there.
func (s *stored) inBucket(ctx context.Context) (end replication.Position, err error) {
	store, err := s.server.Open("bench")
	if err != nil {
		return end, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	b := bucket.New(store, "main", bucket.Options{})
	doc, err := b.Source(ctx)
	if err != nil || doc == nil {
		return end, errors.Join(err, fmt.Errorf("source.json: %v", doc))
	}
	c, err := b.Catalog(ctx, doc.Timelines[len(doc.Timelines)-1])
	if err != nil {
		return end, err
	}
	tail, err := b.Tail(ctx, c)
	if err != nil {
		return end, err
	}
	if last := c.Last(); last != nil {
		end = replication.Position{File: last.Name, Offset: last.Size}
	}
	for _, chain := range tail.Chains {
		end = replication.Position{File: chain.File, Offset: chain.End()}
	}
	return end, nil
}
