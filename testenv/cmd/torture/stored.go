package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// told is what the daemon has said of a source in its status, and must stand by.
type told struct {
	durable replication.Position // on its disk; zero since that was lost
	stored  replication.Position // in the bucket
	epoch   uint64               // of the lease under which that was said; 0: it held none
	waiting int                  // complete files on their way into the bucket
}

// killStored kills a daemon with a bucket, after it was asked what it has. Then it looks
// whether the bucket has that, and every third time deletes the data directory.
func (b *bench) killStored(ctx context.Context, when string) error {
	if err := errors.Join(b.ask(ctx), b.proxy.Kill()); err != nil {
		return err
	}
	if err := b.killed(when); err != nil {
		return err
	}
	for _, p := range b.pairs {
		if err := p.lookAtBucket(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if b.kills%3 != 2 {
		return nil
	}
	b.lost++
	say("the data directory is deleted; the bucket has %s, %s", b.pairs[0].inspector.reach.end, b.pairs[1].inspector.reach.end)
	for _, p := range b.pairs {
		p.told.durable = replication.Position{}
	}
	return os.RemoveAll(b.dataDir())
}

// ask notes what the daemon says. That it does not answer, as at its start, is no error.
func (b *bench) ask(ctx context.Context) error {
	var st child.Status
	if b.proxy.Status(ctx, &st) != nil {
		return nil
	}
	storing := false
	for _, s := range st.Sources {
		for _, p := range b.pairs {
			if p.name == s.Name && s.Bucket != nil && s.Durable != "" {
				if err := p.hear(s.Durable, s.Bucket); err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
				storing = storing || p.told.waiting > 0
			}
		}
	}
	if storing {
		b.storing++
	}
	return nil
}

func (p *pair) hear(durable string, bucket *child.BucketStatus) error {
	at, err := replication.ParsePosition(durable)
	if err != nil {
		return err
	}
	if before(at, p.told.durable) {
		return fmt.Errorf("%s was durable on the disk, and now only %s", p.told.durable, at)
	}
	p.told.durable, p.told.epoch, p.told.waiting = at, bucket.Epoch, bucket.PendingFiles
	if bucket.Stored != "" {
		p.told.stored, err = replication.ParsePosition(bucket.Stored)
	}
	return err
}

// lookAtBucket finds out whether the bucket has what the daemon that was killed has said.
// What the next epoch has cut off behind a boundary does not count.
func (p *pair) lookAtBucket(ctx context.Context) error {
	if err := p.inspector.look(ctx); err != nil {
		return err
	}
	if r := p.inspector.reach; p.told.epoch == r.epoch && before(r.end, p.told.stored) {
		return fmt.Errorf("the daemon said that %s is in the bucket, which has %s", p.told.stored, r.end)
	}
	return nil
}

// startStored starts a daemon with a bucket and waits until it receives again. Sometimes it
// is killed before. Sometimes it finds no source at first, so that all that it says to
// have is from its disk, or from the bucket.
func (b *bench) startStored(ctx context.Context) error {
	alone := b.random.IntN(2) == 0
	if alone {
		for _, p := range b.pairs {
			p.upstream.SetTarget(nowhere)
		}
	}
	if err := b.proxy.Start(); err != nil {
		return err
	}
	if b.random.IntN(4) == 0 {
		b.starting++
		if err := errors.Join(pause(ctx, time.Duration(b.random.IntN(1500))*time.Millisecond), b.kill(ctx, "while it starts")); err != nil {
			return err
		}
		return b.startStored(ctx)
	}
	if alone {
		for _, p := range b.pairs {
			if err := p.waitKept(ctx, b.proxy); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	for _, p := range b.pairs {
		p.upstream.SetTarget(p.primary.Addr())
	}
	if err := b.proxy.WaitReady(ctx); err != nil {
		return err
	}
	if b.kills%3 == 2 {
		return b.readHistory(ctx)
	}
	return nil
}

// nowhere refuses connections.
const nowhere = "127.0.0.1:1"

// waitKept waits until a daemon without a source tells what it has, and compares that with
// what it has told before, and with what the bucket has.
func (p *pair) waitKept(ctx context.Context, proxy *child.Daemon) error {
	due := p.told.durable
	if stored := p.inspector.reach.boundary; before(due, stored) {
		due = stored
	}
	if due.File == "" {
		return nil
	}
	var found replication.Position
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	err := proxy.WaitFor(ctx, p.name+" open", func() bool {
		var st child.Status
		if proxy.Status(ctx, &st) != nil {
			return false
		}
		for _, s := range st.Sources {
			if s.Name == p.name && s.Durable != "" {
				found, _ = replication.ParsePosition(s.Durable) // zero is before all
				return true
			}
		}
		return false
	})
	if err == nil && before(found, due) {
		err = fmt.Errorf("%s was durable (the disk had %s, the bucket %+v), and the daemon that was started again has %s", due, p.told.durable, p.inspector.reach, found)
	}
	return err
}

// atOnce is how many files are fetched, and tries how often that may fail. Where the bucket
// fails for too long the daemon ends the connection, and mysqlbinlog does not come again.
const (
	atOnce = 3
	tries  = 10
)

// readHistory fetches some files from the daemon that are not on its disk.
func (b *bench) readHistory(ctx context.Context) error {
	p := b.any()
	names, err := proof.NotOnDisk(ctx, p.primary, p.dir)
	if err != nil || len(names) == 0 {
		return err
	}
	from := b.random.IntN(max(1, len(names)-atOnce+1))
	names = names[from:min(from+atOnce, len(names))]
	b.fetched += len(names)
	_, err = p.served(ctx, names)
	return err
}

// served compares files that the daemon serves with the primary's.
func (p *pair) served(ctx context.Context, names []string) (table proof.Table, err error) {
	for range tries {
		if table, err = proof.Served(ctx, p.primary, p.listen, names); err == nil {
			break
		}
		say("%s: %v to %v could not be fetched: %v", p.name, names[0], names[len(names)-1], err)
	}
	if err == nil && !table.Equal() {
		err = fmt.Errorf("what is served is not the primary's: %+v", table)
	}
	return table, err
}

// proveStored compares all files in the bucket, and the newest and oldest that are served,
// with the primary's. Nothing may write there meanwhile.
func (b *bench) proveStored(ctx context.Context, p *pair) error {
	if err := b.proxy.WaitStored(ctx); err != nil {
		return err
	}
	if err := b.ask(ctx); err != nil {
		return err
	}
	if err := p.lookAtBucket(ctx); err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "fetched-"+p.name)
	if err := errors.Join(os.Mkdir(dir, 0o700), proof.Fetch(ctx, b.storage.store, p.name, dir)); err != nil {
		return err
	}
	table, err := proof.Files(ctx, p.primary, dir)
	if err != nil {
		return err
	}
	if err := conclude(table.Where("in the bucket")); err != nil {
		return err
	}
	var names []string
	for i, line := range table {
		if i < sample || i >= len(table)-sample {
			names = append(names, line.What)
		}
	}
	served, err := p.served(ctx, names)
	if err != nil {
		return err
	}
	return conclude(served.Where("as it is served"))
}

// sample is how many files are fetched at the end from both ends of history.
const sample = 10
