package main

import (
	"context"
	"errors"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/composed"
)

// event measures what memory the largest event takes: the real binary receives it from
// mysqld and serves it to one client.
func (b *bencher) event(ctx context.Context) error { return b.eventOf(ctx, replication.MaxEventSize) }

func (b *bencher) eventOf(ctx context.Context, size int64) (err error) {
	s, err := startServer(ctx, b.disk, b.root, kind{name: "large"})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, s.close(closing))
	}()
	if err := s.composeEvent(ctx, size); err != nil {
		return err
	}
	ours, _, end, err := b.both(ctx, s.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if _, err := s.fetch(ctx, ours); err != nil {
		return err
	}
	peak, err := bench.PeakMemory(ours.pid)
	if err != nil {
		return err
	}
	b.add(bench.Result{Name: "an event of 1 GiB, received and served to a client: most memory resident", Unit: "MiB",
		Ours: bench.Sample{float64(peak) / mib}, Goal: bench.AtMost(96)})
	return nil
}

// composeEvent lets the server hold a file with one transaction that has an event of size bytes.
func (s *source) composeEvent(ctx context.Context, size int64) error {
	text, err := s.server.ServerUUID(ctx)
	if err != nil {
		return err
	}
	uuid, err := replication.ParseUUID(text)
	if err != nil {
		return err
	}
	return s.hold(ctx, func(path string) error {
		f := composed.Create(path, &replication.GTIDSet{})
		f.Transaction(replication.GTID{UUID: uuid, Number: 1}, size)
		f.Rotate(nextName)
		s.file = bench.Composed{Size: f.End(), Events: 7, Transactions: 1} // FORMAT_DESCRIPTION, PREVIOUS_GTIDS, 4 of the transaction, ROTATE
		return f.Close()
	})
}
