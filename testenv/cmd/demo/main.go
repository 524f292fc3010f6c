// Command demo shows the whole path on real servers: a MySQL primary under load,
// binlogproxy following it, a replica attached to the proxy by GTID. In the middle
// the proxy is killed with SIGKILL and started again. Then the load stops, the
// replica catches up, and everything is compared. The exit status is 1 when
// anything differs.
//
// With -bucket the proxy has a bucket too, and later its data directory is deleted
// under load, with another SIGKILL: the bucket brings everything back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/binlogproxy", "the proxy's `FILE`")
	flag.BoolVar(&o.bucket, "bucket", false, "with a bucket, and delete the data directory under load")
	flag.BoolVar(&o.keep, "keep", false, "leave everything running and print how to connect")
	flag.DurationVar(&o.load, "load", 20*time.Second, "`TIME` under load")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	equal, err := run(ctx, o)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	case !equal:
		fmt.Fprintln(os.Stderr, "demo: something differs")
		os.Exit(1)
	}
}

type options struct {
	binary string
	bucket bool
	keep   bool
	load   time.Duration
}

// parts are what the demo runs.
type parts struct {
	primary, replica *testenv.MySQL
	proxy            *child.Daemon
	bucket           *testenv.S3 // nil where the proxy has none
	dir              string      // of all that is written
}

func (p *parts) dataDir() string { return filepath.Join(p.dir, "data") }

func run(ctx context.Context, o options) (equal bool, err error) {
	p, err := start(ctx, o)
	if p != nil && (!o.keep || err != nil) {
		defer func() { err = errors.Join(err, p.stop()) }()
	}
	if err != nil {
		return false, err
	}
	if err := p.underLoad(ctx, o.load); err != nil {
		return false, err
	}
	table, err := p.prove(ctx)
	if err != nil {
		return false, err
	}
	fmt.Println("\nProof:")
	if err := table.Print(os.Stdout); err != nil {
		return false, err
	}
	if table.Equal() {
		fmt.Printf("\nEvery one of %d lines is equal.\n", len(table))
	}
	if o.keep {
		if err := p.explain(o.binary); err != nil {
			return false, err
		}
	}
	return table.Equal(), nil
}

func start(ctx context.Context, o options) (*parts, error) {
	if err := testenv.Setup(ctx); err != nil {
		return nil, err
	}
	step("starting a MySQL primary and a MySQL replica")
	p := &parts{}
	var err error
	started := make(chan error, 2)
	go func() {
		var err error
		p.primary, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "primary", Keep: o.keep, Args: []string{"--max-binlog-size=16M"}})
		started <- err
	}()
	go func() {
		var err error
		p.replica, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "replica", Keep: o.keep, Args: []string{"--read-only=ON"}})
		started <- err
	}()
	if err := errors.Join(<-started, <-started); err != nil {
		return p, err
	}
	if p.dir, err = os.MkdirTemp("", "binlogproxy-demo-"); err != nil {
		return p, err
	}
	proxy := child.Options{
		Binary: o.binary, DataDir: p.dataDir(), Source: p.primary.Addr(), User: testenv.ReplicationUser, Password: testenv.ReplicationPassword, Keep: o.keep,
	}
	if o.bucket {
		if err := p.startBucket(ctx, &proxy); err != nil {
			return p, err
		}
	}
	step("starting binlogproxy, which follows the primary at %s", p.primary.Addr())
	if p.proxy, err = child.New(proxy); err != nil {
		return p, err
	}
	if err := p.proxy.Start(); err != nil {
		return p, err
	}
	if err := p.proxy.WaitReady(ctx); err != nil {
		return p, err
	}
	step("attaching the replica to the proxy at %s, by GTID", p.proxy.Listen())
	return p, p.replica.ReplicateFrom(ctx, p.proxySpec())
}

// proxySpec is how a server follows the proxy.
func (p *parts) proxySpec() testenv.SourceSpec {
	spec := p.primary.Source()
	spec.Host, spec.Port = p.proxy.Endpoint()
	return spec
}

// outage is how long the proxy stays down.
const outage = 2 * time.Second

// underLoad shows the load for a while, with the proxy killed half-way, and then
// waits until the replica has everything.
func (p *parts) underLoad(ctx context.Context, load time.Duration) error {
	step("load on the primary for %s; the proxy is killed half-way", load)
	running, err := workload.Start(ctx, p.primary.DB(), workload.Options{
		Seed: 1, DDL: true, Formats: true, MyISAM: true, Workers: 4, Pause: 5 * time.Millisecond, BigEvery: 150, BigBytes: 24 << 20,
	})
	if err != nil {
		return err
	}
	v := newView(p, running)
	err = v.watch(ctx, load/2)
	if err == nil {
		v.say("kill -9 of the proxy")
		err = p.proxy.Kill()
	}
	if err == nil {
		err = v.watch(ctx, outage)
	}
	if err == nil {
		v.say("the proxy is started again")
		err = p.proxy.Start()
	}
	if err == nil {
		err = v.watch(ctx, load/2)
	}
	if err == nil && p.bucket != nil {
		err = p.loseDisk(ctx, v)
	}
	if err := errors.Join(err, running.Stop()); err != nil {
		return err
	}
	v.say("the load has ended after %d transactions, %d of them of 24 MiB; the replica catches up", running.Transactions.Load(), running.Big.Load())
	set, err := p.primary.GTIDExecuted(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return p.replica.WaitForGTIDs(ctx, set)
}

func (p *parts) prove(ctx context.Context) (proof.Table, error) {
	theirs, err := p.primary.GTIDExecuted(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := p.replica.GTIDExecuted(ctx)
	if err != nil {
		return nil, err
	}
	end, err := proof.End(ctx, p.primary)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := p.proxy.WaitDurable(waiting, end); err != nil {
		return nil, err
	}
	table, err := p.proveFiles(ctx)
	if err != nil {
		return nil, err
	}
	var st child.Status
	if err := p.proxy.Status(ctx, &st); err != nil {
		return nil, err
	}
	table = append(table, proof.GTIDs("gtid_executed of the proxy", st.Sources[0].Executed, theirs),
		proof.GTIDs("gtid_executed of the replica", ours, theirs))
	tables, err := proof.Tables(ctx, p.primary, p.replica)
	if err != nil {
		return nil, err
	}
	ledger, err := proof.Ledger(ctx, p.primary, p.replica, "workload.ledger")
	return append(append(table, tables...), ledger), err
}

// proveFiles compares the primary's files with those on the proxy's disk, or, where not
// all of them are there, with those in the bucket and those that the proxy serves.
func (p *parts) proveFiles(ctx context.Context) (proof.Table, error) {
	if p.bucket != nil {
		return p.proveBucket(ctx)
	}
	dir, err := proof.TimelineDir(p.proxy.SourceDir())
	if err != nil {
		return nil, err
	}
	return proof.Files(ctx, p.primary, dir)
}

func (p *parts) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if p.proxy != nil {
		_, err := p.proxy.Stop()
		errs = append(errs, err, p.proxy.Close())
	}
	for _, m := range []*testenv.MySQL{p.primary, p.replica} {
		if m != nil {
			errs = append(errs, m.Terminate(ctx))
		}
	}
	if p.bucket != nil {
		errs = append(errs, p.bucket.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

func step(format string, args ...any) { fmt.Printf("==> "+format+"\n", args...) }
