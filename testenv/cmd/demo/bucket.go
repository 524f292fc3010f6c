package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

const prefix = "demo" // of all keys

// startBucket starts an S3 server and makes it the proxy's. The lease is short, since
// a proxy with another data directory waits for the end of it.
func (p *parts) startBucket(ctx context.Context, proxy *child.Options) (err error) {
	step("starting an S3 server")
	if p.bucket, err = testenv.StartS3(ctx, testenv.S3Options{Keep: proxy.Keep}); err != nil {
		return err
	}
	proxy.Env = p.bucket.Env()
	proxy.Args = []string{"--bucket=" + p.bucket.URL(prefix), "--piece-interval=1s", "--lease=3s"}
	return nil
}

// loseDisk kills the proxy and deletes its data directory while the load goes on, and
// starts it again: history and live end are served.
func (p *parts) loseDisk(ctx context.Context, v *view) error {
	v.say("kill -9 of the proxy, and its data directory is deleted")
	if err := errors.Join(p.proxy.Kill(), os.RemoveAll(p.dataDir())); err != nil {
		return err
	}
	if err := v.watch(ctx, outage); err != nil {
		return err
	}
	v.say("the proxy is started again, with nothing but its bucket")
	begin := time.Now()
	if err := errors.Join(p.proxy.Start(), p.proxy.WaitReady(ctx)); err != nil {
		return err
	}
	v.say("it serves and receives after %.1f s", time.Since(begin).Seconds())
	if err := p.historyServed(ctx, v); err != nil {
		return err
	}
	return p.tailServed(ctx, v)
}

// historyServed fetches from the proxy what is not on its disk.
func (p *parts) historyServed(ctx context.Context, v *view) error {
	names, err := proof.NotOnDisk(ctx, p.primary, p.proxy.SourceDir())
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New("all files are on the proxy's disk: the bucket is not put to the test")
	}
	table, err := proof.Served(ctx, p.primary, p.proxy.Listen(), names)
	if err != nil {
		return err
	}
	if !table.Equal() {
		return errors.Join(errors.New("what it serves is not the primary's"), table.Print(os.Stdout))
	}
	v.say("history: %s to %s, which are not on its disk, fetched from it by mysqlbinlog: equal to the primary's", names[0], names[len(names)-1])
	return nil
}

// tailServed waits until the replica has what the primary has committed by now.
func (p *parts) tailServed(ctx context.Context, v *view) error {
	set, err := p.primary.GTIDExecuted(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	begin := time.Now()
	if err := p.replica.WaitForGTIDs(ctx, set); err != nil {
		return err
	}
	v.say("live end: %.1f s later the replica has all that was committed until then", time.Since(begin).Seconds())
	return nil
}

// proveBucket compares the primary's files with those in the bucket, and with those
// that the proxy serves.
func (p *parts) proveBucket(ctx context.Context) (table proof.Table, err error) {
	waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := p.proxy.WaitStored(waiting); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(p.dir, "fetched-")
	if err != nil {
		return nil, err
	}
	store, err := p.bucket.Open(prefix)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := proof.Fetch(ctx, store, "main", dir); err != nil {
		return nil, err
	}
	stored, err := proof.Files(ctx, p.primary, dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, line := range stored {
		names = append(names, line.What)
	}
	served, err := proof.Served(ctx, p.primary, p.proxy.Listen(), names)
	return append(stored.Where("in the bucket"), served.Where("as it is served")...), err
}
