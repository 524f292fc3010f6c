// Package faults puts the real binary on disks that fail: one whose power is cut,
// one whose fsyncs and writes fail one after the other, and one that is full. Each
// run follows a real primary, keeps what the daemon claimed to hold, by its status
// and by what it served, and proves that none of it was lost or changed.
package faults

import (
	"context"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// Options are what every run needs.
type Options struct {
	Binary  string // of binlogproxy
	Dir     string // empty and the run's own; disks are mounted below it
	Primary *testenv.MySQL
	Seed    uint64                           // of all choices
	Say     func(format string, args ...any) // told of progress
}

// newDaemon prepares a daemon with its data below dir, which follows source. It comes
// back to a source within half a second.
func (o *Options) newDaemon(dataDir, source string) (*child.Daemon, error) {
	return child.New(o.daemonOptions(dataDir, source))
}

func (o *Options) daemonOptions(dataDir, source string) child.Options {
	return child.Options{
		Binary: o.Binary, DataDir: dataDir, Source: source, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword,
		Args: []string{"--heartbeat=500ms", "--reconnect-max=500ms"},
	}
}

// load begins a gentle load of everything that can be in a binlog, in small files.
func (o *Options) load(ctx context.Context) (*workload.Load, error) {
	return workload.Start(ctx, o.Primary.DB(), workload.Options{
		Seed: o.Seed, Workers: 3, Pause: 5 * time.Millisecond, BigEvery: 60, BigBytes: 512 << 10, Flush: 50, DDL: true, Formats: true,
	})
}

// killed is the exit code of a process that SIGKILL has ended.
const killed = -1

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
