package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// bench is everything that a torture run consists of: the daemon follows the
// primary, and the replica follows the daemon, each through a fault proxy.
type bench struct {
	options          options
	random           *rand.Rand
	primary, replica *testenv.MySQL
	upstream         *faultproxy.Proxy // between the primary and the daemon
	downstream       *faultproxy.Proxy // between the daemon and the replica
	proxy            *child.Daemon
	dataDir          string
	load             *workload.Load

	kills, sealing, sourceKills, cuts, rotations, checksums int
}

// bigBytes is the size of the big transactions.
const bigBytes = 64 << 20

func torture(ctx context.Context, o options) (err error) {
	say("seed %d", o.seed)
	b := &bench{options: o, random: rand.New(rand.NewPCG(o.seed, 0))}
	defer func() { err = errors.Join(err, b.stop()) }()
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
	if err := b.load.Stop(); err != nil {
		return err
	}
	say("%d transactions, %d of them of %d MiB (%d given up while the source was away); %d kills of the proxy, %d of them within a sealing; %d kills of the source; %d changes of the checksum; %d connections cut before the proxy, %d behind it",
		b.load.Transactions.Load(), b.load.Big.Load(), bigBytes>>20, b.load.Errors.Load(), b.kills, b.sealing, b.sourceKills, b.checksums, b.upstream.Cuts(), b.downstream.Cuts())
	return b.prove(ctx)
}

func (b *bench) start(ctx context.Context) error {
	if err := testenv.Setup(ctx); err != nil {
		return err
	}
	var err error
	if b.primary, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "primary", Args: []string{"--max-binlog-size=4M", "--max-connections=300", "--binlog-cache-size=4M", "--innodb-flush-log-at-trx-commit=2"}}); err != nil {
		return err
	}
	if b.replica, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "replica", Args: []string{"--read-only=ON", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0"}}); err != nil {
		return err
	}
	if b.upstream, err = faultproxy.Start(b.primary.Addr()); err != nil {
		return err
	}
	if b.dataDir, err = os.MkdirTemp("", "binlogproxy-torture-"); err != nil {
		return err
	}
	authority := filepath.Join(b.dataDir, "source-ca.pem")
	if err := b.writeAuthority(ctx, authority); err != nil {
		return err
	}
	if b.proxy, err = child.New(child.Options{
		Binary: b.options.binary, DataDir: b.dataDir, Source: b.upstream.Addr(), User: testenv.ReplicationUser, Password: testenv.ReplicationPassword,
		Args: []string{"--heartbeat=1s", "--ssl-mode=verify_ca", "--ssl-ca=" + authority},
	}); err != nil {
		return err
	}
	if b.downstream, err = faultproxy.Start(b.proxy.Listen()); err != nil {
		return err
	}
	if err := b.startProxy(ctx); err != nil {
		return err
	}
	if b.load, err = workload.Start(ctx, b.primary.DB(), workload.Options{
		Seed: b.options.seed, Workers: 6, BigEvery: min(300, 100+20*b.options.kills), BigBytes: bigBytes, Flush: 40, DDL: true, Formats: true, KeepOn: true,
	}); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(b.downstream.Addr())
	if err != nil {
		return err
	}
	spec := testenv.SourceSpec{Host: host, AutoPosition: true, HeartbeatSeconds: 1, RetryCount: 1 << 20}
	if spec.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	return b.replica.ReplicateFrom(ctx, spec)
}

// writeAuthority copies the certificate of the authority that the primary's is of.
func (b *bench) writeAuthority(ctx context.Context, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(b.primary.ReadFile(ctx, testenv.AuthorityPath, f), f.Close())
}

// startProxy starts the daemon and waits until it receives again.
func (b *bench) startProxy(ctx context.Context) error {
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

// changeChecksum makes the primary write its next file without checksums, or with.
func (b *bench) changeChecksum(ctx context.Context) error {
	_, err := b.primary.DB().ExecContext(ctx, "SET GLOBAL binlog_checksum = "+[]string{"NONE", "CRC32"}[b.checksums%2])
	b.checksums++
	return err
}

func (b *bench) killAfter(ctx context.Context, d time.Duration) error {
	if err := pause(ctx, d); err != nil {
		return err
	}
	return b.kill("after " + d.String())
}

// kill kills the daemon, and reads in the catalog whether that hit a sealing.
func (b *bench) kill(when string) error {
	if err := b.proxy.Kill(); err != nil {
		return err
	}
	b.kills++
	begun, sealed, err := b.catalog()
	if err != nil {
		return err
	}
	if begun-sealed > 1 { // the open file, and one more
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
	before, _, err := b.catalog()
	if err != nil {
		return err
	}
	limit := time.Now().Add(20 * time.Second)
	for {
		now, _, err := b.catalog()
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
	return b.kill("at a rotation")
}

// catalog counts the files that were begun and those that were sealed.
func (b *bench) catalog() (begun, sealed int, err error) {
	dir, err := proof.TimelineDir(b.proxy.SourceDir())
	if err != nil {
		return 0, 0, err
	}
	text, err := os.ReadFile(dir + "/catalog")
	if err != nil {
		return 0, 0, err
	}
	return strings.Count(string(text), `"begin":`), strings.Count(string(text), `"sealed":`), nil
}

// cut ends connections, now or when some more bytes have passed; on one side and
// the next time on the other.
func (b *bench) cut() {
	side := b.upstream
	if b.cuts%2 == 1 {
		side = b.downstream
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
	say("kill %d of the source", b.sourceKills)
	if err := b.primary.Kill(ctx); err != nil {
		return err
	}
	return b.primary.Start(ctx)
}

// enoughLimit is how long the load may go on after the last kill.
const enoughLimit = 5 * time.Minute

// untilEnough lets the load go on until the run has met all it is for. Connections
// that no fault has cut by now are cut here.
func (b *bench) untilEnough(ctx context.Context) error {
	say("the load goes on until there were %d rotations, a transaction of %d MiB and cut connections on both sides", b.options.rotations, bigBytes>>20)
	limit := time.Now().Add(enoughLimit)
	for {
		files, err := b.primary.BinlogFiles(ctx)
		if err != nil {
			return err
		}
		b.rotations = len(files) - 1
		for _, side := range []*faultproxy.Proxy{b.upstream, b.downstream} {
			if side.Cuts() == 0 {
				side.Cut(true)
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
	var errs []error
	for _, c := range []struct {
		what      string
		have, due int
	}{
		{"kills of the proxy", b.kills, b.options.kills},
		{"kills within a sealing", b.sealing, b.options.sealing},
		{"kills of the source", b.sourceKills, b.options.sourceKills},
		{"rotations", b.rotations, b.options.rotations},
		{"cut connections before the proxy", b.upstream.Cuts(), 1},
		{"cut connections behind the proxy", b.downstream.Cuts(), 1},
		{"big transactions", int(b.load.Big.Load()), 1},
	} {
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
