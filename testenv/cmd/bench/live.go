package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// live is a source that is written to, with the proxy behind it.
type live struct {
	source       *testenv.MySQL
	ours, mysqld server
	insert       string // a statement that commits one transaction, always of the same size
	packets      int64  // what a transaction has in bytes on the way to a client
	nextID       uint32 // of clients
	end          func() error
}

func (b *bencher) startLive(ctx context.Context) (_ *live, err error) {
	l := &live{insert: "INSERT INTO bench.t (v) VALUES ('" + strings.Repeat("v", 1000) + "')", nextID: 3_100_000_000}
	l.source, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "live source", Args: []string{"--max-connections=2000"}})
	if err != nil {
		return nil, err
	}
	l.end = func() error { return l.source.Terminate(context.WithoutCancel(ctx)) }
	for _, statement := range []string{"CREATE DATABASE bench", "CREATE TABLE bench.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)", l.insert} {
		if _, err := l.source.DB().ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(err, l.end())
		}
	}
	if err := l.weigh(ctx); err != nil {
		return nil, errors.Join(err, l.end())
	}
	var endProxy func() error
	if l.ours, l.mysqld, endProxy, err = b.both(ctx, l.source); err != nil {
		return nil, errors.Join(err, l.end())
	}
	terminate := l.end
	l.end = func() error { return errors.Join(endProxy(), terminate()) }
	return l, nil
}

// weigh finds how many bytes of packets a transaction is.
func (l *live) weigh(ctx context.Context) error {
	var events int64
	before, err := l.position(ctx)
	if err != nil {
		return err
	}
	if _, err := l.source.DB().ExecContext(ctx, l.insert); err != nil {
		return err
	}
	after, err := l.position(ctx)
	if err != nil {
		return err
	}
	rows, err := l.source.DB().QueryContext(ctx, fmt.Sprintf("SHOW BINLOG EVENTS IN '%s' FROM %d", before.File, before.Offset))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		events++
	}
	l.packets = after.Offset - before.Offset + events*perPacket
	return rows.Err()
}

func (l *live) position(ctx context.Context) (replication.Position, error) {
	end, err := proof.End(ctx, l.source)
	if err != nil {
		return replication.Position{}, err
	}
	return replication.ParsePosition(end)
}
