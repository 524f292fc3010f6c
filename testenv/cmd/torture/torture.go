package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
)

// bench is everything that a torture run consists of: two pairs behind one daemon.
type bench struct {
	options options
	random  *rand.Rand
	pairs   []*pair
	storage *storage // nil without a bucket
	proxy   *child.Daemon
	log     *os.File // all that the daemon writes
	dir     string   // of everything that is written

	kills, sealing, sourceKills, cuts, checksums, reloads int
	lost, storing, starting, fetched                      int // with a bucket, see missed
}

func (b *bench) dataDir() string { return filepath.Join(b.dir, "data") }

// readyLimit is how long a start may take: with a bucket it may wait for a lease, and each
// request may fail again and again.
const readyLimit = 2 * time.Minute

func torture(ctx context.Context, o options) (err error) {
	say("seed %d", o.seed)
	b := &bench{options: o, random: rand.New(rand.NewPCG(o.seed, 0))}
	defer func() { err = errors.Join(err, b.stop(err != nil)) }()
	if err := b.start(ctx); err != nil {
		return err
	}
	for b.kills < o.kills || b.sealing < o.sealing {
		if b.kills >= 4*o.kills {
			return fmt.Errorf("%d kills, and only %d of %d hit a sealing", b.kills, b.sealing, o.sealing)
		}
		if err := b.round(ctx); err != nil {
			return fmt.Errorf("after %d kills: %w\n%s", b.kills, err, b.proxy.Tail())
		}
	}
	if err := b.untilEnough(ctx); err != nil {
		return err
	}
	for _, p := range b.pairs {
		if err := p.load.Stop(); err != nil {
			return err
		}
	}
	say("%d transactions, %d of them of %d MiB (%d given up while the source was away); %d kills of the proxy, %d of them within a sealing; %d kills of a source; %d changes of the checksum; %d reloads; %d connections cut before the proxy, %d behind it",
		b.sum((*pair).transactions), b.sum((*pair).big), b.options.bigBytes>>20, b.sum((*pair).errors), b.kills, b.sealing, b.sourceKills, b.checksums, b.reloads, b.sum((*pair).cutsBefore), b.sum((*pair).cutsBehind))
	if b.storage != nil {
		say("%d data directories deleted; %d kills while a complete file was on its way into the bucket, %d while the daemon started; %d files fetched that were in the bucket only; %d of %d requests to the bucket failed",
			b.lost, b.storing, b.starting, b.fetched, b.storage.faults.Spoilt(), len(b.storage.faults.Requests()))
	}
	return b.prove(ctx)
}

// sum adds up a number of all pairs.
func (b *bench) sum(of func(*pair) int) (n int) {
	for _, p := range b.pairs {
		n += of(p)
	}
	return n
}

// any is one of the pairs.
func (b *bench) any() *pair { return b.pairs[b.random.IntN(len(b.pairs))] }

func (b *bench) start(ctx context.Context) error {
	if err := testenv.Setup(ctx); err != nil {
		return err
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "binlogproxy-torture-"); err != nil {
		return err
	}
	if b.log, err = os.Create(filepath.Join(b.dir, "daemon.log")); err != nil {
		return err
	}
	var env []string
	if b.options.bucket {
		if b.storage, err = startStorage(ctx, b.options.seed); err != nil {
			return err
		}
		env = b.storage.server.Env()
	}
	for i, name := range []string{"one", "two"} {
		p := &pair{name: name, dir: filepath.Join(b.dataDir(), name), serverID: 4242 + i, heartbeat: 1}
		b.pairs = append(b.pairs, p)
		if err := p.open(ctx, b.dir); err != nil {
			return err
		}
		if b.storage != nil {
			p.inspector = newInspector(b.storage.store, name, p.primary)
		}
	}
	if err := b.configure(b.pairs...); err != nil {
		return err
	}
	if b.proxy, err = child.New(child.Options{Binary: b.options.binary, DataDir: b.dataDir(), ConfigFile: b.configFile(), Password: testenv.ReplicationPassword, Env: env, Log: b.log, ReadyTimeout: readyLimit}); err != nil {
		return err
	}
	if err := errors.Join(b.proxy.Start(), b.proxy.WaitReady(ctx)); err != nil {
		return err
	}
	for i, p := range b.pairs {
		if err := p.run(ctx, b.options, i); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) configFile() string { return filepath.Join(b.dir, "binlogproxy.yaml") }

// configure writes a configuration with some of the sources.
func (b *bench) configure(pairs ...*pair) error {
	text := ""
	if b.storage != nil {
		text = b.storage.config()
	}
	text += "sources:\n"
	for _, p := range pairs {
		text += p.config()
	}
	return os.WriteFile(b.configFile(), []byte(text), 0o600)
}

// reload takes a source away, at times, and gives it back changed.
func (b *bench) reload(ctx context.Context) error {
	b.reloads++
	i := b.random.IntN(len(b.pairs))
	if b.random.IntN(2) == 0 {
		if err := errors.Join(b.configure(b.pairs[1-i]), syscall.Kill(b.proxy.PID(), syscall.SIGHUP), pause(ctx, time.Duration(b.random.IntN(300))*time.Millisecond)); err != nil {
			return err
		}
	}
	b.pairs[i].heartbeat = 3 - b.pairs[i].heartbeat
	return errors.Join(b.configure(b.pairs...), syscall.Kill(b.proxy.PID(), syscall.SIGHUP))
}

// startProxy starts the daemon and waits until it receives again.
func (b *bench) startProxy(ctx context.Context) error {
	if b.storage != nil {
		return b.startStored(ctx)
	}
	if err := b.proxy.Start(); err != nil {
		return err
	}
	return b.proxy.WaitReady(ctx)
}

// round lets everything run for a moment, spoils a connection or the source now
// and then, and kills the daemon.
func (b *bench) round(ctx context.Context) error {
	if b.random.IntN(2) == 0 {
		b.cut()
	}
	if b.sourceKills < b.options.sourceKills && b.kills >= (b.sourceKills+1)*b.options.kills/(b.options.sourceKills+1) {
		if err := b.killSource(ctx); err != nil {
			return err
		}
	}
	if b.kills%3 == 0 {
		if err := b.changeChecksum(ctx); err != nil {
			return err
		}
	}
	if b.random.IntN(4) == 0 {
		if err := b.reload(ctx); err != nil {
			return err
		}
	}
	var err error
	if b.sealing < b.options.sealing && b.kills%2 == 0 {
		err = b.killWhileSealing(ctx)
	} else {
		err = b.killAfter(ctx, time.Duration(50+b.random.IntN(1200))*time.Millisecond)
	}
	if err != nil {
		return err
	}
	return b.startProxy(ctx)
}

// changeChecksum makes a primary write its next file without checksums, or with.
func (b *bench) changeChecksum(ctx context.Context) error {
	_, err := b.any().primary.DB().ExecContext(ctx, "SET GLOBAL binlog_checksum = "+[]string{"NONE", "CRC32"}[b.checksums%2])
	b.checksums++
	return err
}

func (b *bench) killAfter(ctx context.Context, d time.Duration) error {
	if err := pause(ctx, d); err != nil {
		return err
	}
	return b.kill(ctx, "after "+d.String())
}

// kill kills the daemon, and reads in the catalog whether that hit a sealing.
func (b *bench) kill(ctx context.Context, when string) error {
	if b.storage != nil {
		return b.killStored(ctx, when)
	}
	if err := b.proxy.Kill(); err != nil {
		return err
	}
	return b.killed(when)
}

// killed counts a kill.
func (b *bench) killed(when string) error {
	b.kills++
	hit := false
	for _, p := range b.pairs {
		begun, sealed, err := p.catalog()
		if err != nil {
			return err
		}
		hit = hit || begun-sealed > 1 // the open file, and one more
	}
	if hit {
		b.sealing++
		when += ", within a sealing"
	}
	say("kill %d %s", b.kills, when)
	return nil
}

// killWhileSealing kills the daemon just after a file has appeared, when its
// predecessor is being sealed. What the catalog says afterwards decides whether
// that was hit.
func (b *bench) killWhileSealing(ctx context.Context) error {
	p := b.any()
	before, _, err := p.catalog()
	if err != nil {
		return err
	}
	limit := time.Now().Add(20 * time.Second)
	for {
		now, _, err := p.catalog()
		if err != nil {
			return err
		}
		if now > before || time.Now().After(limit) {
			break
		}
		if err := pause(ctx, 100*time.Microsecond); err != nil {
			return err
		}
	}
	return b.kill(ctx, "at a rotation")
}

// cut ends connections, now or when some more bytes have passed; on one side and
// the next time on the other.
func (b *bench) cut() {
	p := b.any()
	side := p.upstream
	if b.cuts%2 == 1 {
		side = p.downstream
	}
	b.cuts++
	switch b.random.IntN(3) {
	case 0:
		side.Cut(b.random.IntN(2) == 0)
	case 1:
		side.Set(faultproxy.ToClient, faultproxy.Faults{CutAfter: 1 + b.random.Int64N(8<<20), Reset: b.random.IntN(2) == 0, Once: true})
	case 2:
		side.Set(faultproxy.ToClient, faultproxy.Faults{CutAtPacket: 1 + b.random.IntN(200), Once: true})
	}
}

func (b *bench) killSource(ctx context.Context) error {
	b.sourceKills++
	p := b.any()
	say("kill %d of a source: %s", b.sourceKills, p.name)
	if err := p.primary.Kill(ctx); err != nil {
		return err
	}
	return p.primary.Start(ctx)
}

// enoughLimit is how long the load may go on after the last kill.
const enoughLimit = 5 * time.Minute

// untilEnough lets the load go on until the run has met all it is for. Connections
// that no fault has cut by now are cut here.
func (b *bench) untilEnough(ctx context.Context) error {
	say("the load goes on until there were %d rotations, a transaction of %d MiB and cut connections on both sides", b.options.rotations, b.options.bigBytes>>20)
	limit := time.Now().Add(enoughLimit)
	for {
		for _, p := range b.pairs {
			if err := p.look(ctx); err != nil {
				return err
			}
		}
		missed := b.missed()
		if missed == nil {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("the load went on for %s: %w", enoughLimit, missed)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// missed says what a run without it would not have put to the test.
func (b *bench) missed() error {
	type count struct {
		what      string
		have, due int
	}
	counts := []count{
		{"kills of the proxy", b.kills, b.options.kills},
		{"kills within a sealing", b.sealing, b.options.sealing},
		{"kills of the source", b.sourceKills, b.options.sourceKills},
		{"rotations", b.sum((*pair).rotated), b.options.rotations},
		{"changes of the checksum", b.checksums, 1},
		{"cut connections before the proxy", b.sum((*pair).cutsBefore), len(b.pairs)},
		{"cut connections behind the proxy", b.sum((*pair).cutsBehind), len(b.pairs)},
		{"big transactions", b.sum((*pair).big), 1},
	}
	if b.storage != nil {
		counts = append(counts, count{"deleted data directories", b.lost, b.options.kills / 3}, count{"requests to the bucket that fail", b.storage.faults.Spoilt(), 10 * b.options.kills})
	}
	var errs []error
	for _, c := range counts {
		if c.have < c.due {
			errs = append(errs, fmt.Errorf("%s: %d of %d", c.what, c.have, c.due))
		}
	}
	return errors.Join(errs...)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
