package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// backlog is what the source has before, so that bad clients have something not to read.
const backlog = 64 << 20

func hostile(ctx context.Context, binary string, duration time.Duration) (broken int, err error) {
	dir, err := os.MkdirTemp("", "binlogproxy-hostile-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	source, err := testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "source", Args: []string{"--max-binlog-size=1G"}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Terminate(context.WithoutCancel(ctx))) }()
	if err := fill(ctx, source.DB()); err != nil {
		return 0, err
	}
	d, err := child.New(child.Options{
		Binary: binary, DataDir: dir + "/data", Source: source.Addr(), User: testenv.ReplicationUser, Password: testenv.ReplicationPassword,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := errors.Join(d.Start(), d.WaitReady(ctx)); err != nil {
		return 0, err
	}
	tail, err := awaitEnd(ctx, source, d)
	if err != nil {
		return 0, err
	}
	before, err := resident(d.PID())
	if err != nil {
		return 0, err
	}
	most := watchMemory(d.PID())
	l, err := measureLag(ctx, source.DB(), d.Listen(), replication.Position{File: "binlog.000001", Offset: replication.FirstEventOffset}, tail, duration)
	if err != nil {
		return 0, fmt.Errorf("%w\nthe proxy's log ends:\n%s", err, d.Tail())
	}
	after := most()
	say("%d connections that say nothing", floodDials)
	f, err := measureFlood(ctx, d.Listen(), d.PID())
	if err != nil {
		return 0, err
	}
	alone, beside := l.samples[0].Median(), l.samples[1].Median()
	say("lag alone: median %.2f ms, p99 %.2f ms; beside bad clients: median %.2f ms, p99 %.2f ms; %d logins in the flood",
		alone, l.samples[0].Quantile(0.99), beside, l.samples[1].Quantile(0.99), f.logins)
	const mib = 1 << 20
	return report([]promise{
		{"median lag of good clients beside 60 bad ones (+20 % or 1 ms)", beside, max(alone*1.2, alone+1), "ms"},
		{"memory more with 40 good and 60 bad clients (64 KiB each, 64 MiB in all)", float64(after-before) / mib, 64 + 100.0/16, "MiB"},
		{"files open more in that flood (512 held, and those that come and go)", float64(f.held), 512 + 4, ""},
		{"memory more in that flood", float64(f.moreBytes) / mib, 32, "MiB"},
		{"longest login in that flood", f.login.Seconds(), 1, "s"},
	}), nil
}

func fill(ctx context.Context, db *sql.DB) error {
	for _, statement := range []string{
		"CREATE DATABASE hostile", "CREATE TABLE hostile.rows (id BIGINT PRIMARY KEY AUTO_INCREMENT, text LONGTEXT)",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for range backlog >> 20 {
		if _, err := db.ExecContext(ctx, "INSERT INTO hostile.rows (text) VALUES (REPEAT('b', 1048576))"); err != nil {
			return err
		}
	}
	return nil
}

// awaitEnd returns the source's position when the proxy has it.
func awaitEnd(ctx context.Context, source *testenv.MySQL, d *child.Daemon) (replication.Position, error) {
	end, err := proof.End(ctx, source)
	if err != nil {
		return replication.Position{}, err
	}
	for {
		var st struct {
			Sources []struct {
				Published string `json:"published"`
			} `json:"sources"`
		}
		if err := d.Status(ctx, &st); err != nil {
			return replication.Position{}, err
		}
		if st.Sources[0].Published == end {
			return replication.ParsePosition(end)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return replication.Position{}, ctx.Err()
		}
	}
}
