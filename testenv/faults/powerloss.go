package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
	"github.com/binlogproxy/binlogproxy/testenv/forgetfs"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// powerLoss is a daemon on a disk whose power is cut, behind a link to its primary
// that can be held up.
type powerLoss struct {
	Options
	random *rand.Rand
	link   *faultproxy.Proxy
	disk   *forgetfs.Disk
	daemon *child.Daemon
	claims *claims

	cuts, kills, early int
}

// PowerLoss cuts the power so many times, at random instants: of a daemon that
// follows the primary under load, and of one that starts, also on an empty disk. What
// a cut leaves on the disk, what the next start says, and what it serves again are
// compared with all that was claimed before, while the source cannot be reached. At
// the end the files equal the primary's.
func PowerLoss(ctx context.Context, o Options, cuts int) (err error) {
	p := &powerLoss{Options: o, random: rand.New(rand.NewPCG(o.Seed, 0)), claims: newClaims()}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.open(); err != nil {
		return err
	}
	load, err := o.load(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, load.Stop()) }()
	for p.cuts < cuts/5 {
		if err := p.firstStart(ctx); err != nil {
			return p.explain(err)
		}
	}
	for p.cuts < cuts {
		if err := p.round(ctx); err != nil {
			return p.explain(err)
		}
	}
	if err := load.Stop(); err != nil {
		return err
	}
	o.Say("%d power cuts, %d of them of a daemon that had just been started, and %d kills without one; %d transactions",
		p.cuts, p.early, p.kills, load.Transactions.Load())
	if err := p.prove(ctx); err != nil {
		return p.explain(err)
	}
	return nil
}

func (p *powerLoss) open() error {
	var err error
	if p.link, err = faultproxy.Start(p.Primary.Addr()); err != nil {
		return err
	}
	mount := filepath.Join(p.Dir, "power")
	if err := os.Mkdir(mount, 0o700); err != nil {
		return err
	}
	if p.disk, err = forgetfs.Mount(mount, memfs.New()); err != nil {
		return err
	}
	p.daemon, err = p.newDaemon(filepath.Join(mount, dataDir), p.link.Addr())
	return err
}

// dataDir is the data directory's name on the disk. The daemon makes it.
const dataDir = "data"

func (p *powerLoss) close() error {
	var errs []error
	if p.daemon != nil {
		errs = append(errs, p.daemon.Close())
	}
	if p.disk != nil {
		errs = append(errs, p.disk.Unmount())
	}
	if p.link != nil {
		p.link.Close()
	}
	return errors.Join(errs...)
}

func (p *powerLoss) explain(err error) error {
	return fmt.Errorf("behind %d cuts and %d kills: %w\n%s", p.cuts, p.kills, err, p.daemon.Tail())
}

// firstStart lets a daemon start on an empty disk, and again after each of a few cuts
// soon after that.
func (p *powerLoss) firstStart(ctx context.Context) error {
	p.claims = newClaims()
	if err := errors.Join(p.forgotten(ctx), p.disk.Replace(memfs.New())); err != nil {
		return err
	}
	for range 3 {
		if err := p.startAndEnd(ctx, time.Duration(p.random.IntN(250))*time.Millisecond); err != nil {
			return err
		}
	}
	return p.check(ctx)
}

// forgotten waits until the primary lists no replica any more. On an empty disk the
// daemon is another one, which has to end where its server id is taken.
func (p *powerLoss) forgotten(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		rows, err := p.Primary.DB().QueryContext(ctx, "SHOW REPLICAS")
		if err != nil {
			return fmt.Errorf("is the daemon of before forgotten: %w", err)
		}
		listed := rows.Next()
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || !listed {
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// round starts the daemon without its source, and compares; lets it follow the source
// for a while; and ends it. Now and then the end comes while it starts.
func (p *powerLoss) round(ctx context.Context) error {
	for p.random.IntN(3) == 0 {
		p.early++
		if err := p.startAndEnd(ctx, time.Duration(p.random.IntN(80))*time.Millisecond); err != nil {
			return err
		}
	}
	if err := p.check(ctx); err != nil {
		return err
	}
	return p.startAndEnd(ctx, time.Duration(100+p.random.IntN(1000))*time.Millisecond)
}

// startAndEnd lets the daemon live for a while, with its source and a witness.
func (p *powerLoss) startAndEnd(ctx context.Context, life time.Duration) error {
	if err := p.daemon.Start(); err != nil {
		return err
	}
	w := p.claims.watch(ctx, p.daemon)
	err := pause(ctx, life)
	return errors.Join(err, p.end(w))
}

// check starts the daemon while its source cannot be reached: it holds all that was
// claimed, and serves it.
func (p *powerLoss) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	p.link.Set(faultproxy.ToClient, faultproxy.Faults{Stall: true})
	defer p.link.Heal()
	if err := p.daemon.Start(); err != nil {
		return err
	}
	s, err := firstStatus(ctx, p.daemon)
	if err != nil {
		return err
	}
	if s.State == "stopped" {
		return fmt.Errorf("the source is stopped: %s", s.LastError)
	}
	if err := p.claims.heldBy(s); err != nil {
		return err
	}
	w := p.claims.watch(ctx, p.daemon)
	err = pause(ctx, time.Duration(p.random.IntN(100))*time.Millisecond)
	return errors.Join(err, p.end(w))
}

// end kills the daemon, three times of four together with the power, and looks
// whether the disk holds what was claimed.
func (p *powerLoss) end(w *witness) error {
	power := p.random.IntN(4) > 0
	if power {
		thaw := p.disk.Freeze()
		_ = syscall.Kill(p.daemon.PID(), syscall.SIGKILL) // that it runs no more is seen below
		thaw()
	}
	err := errors.Join(p.daemon.Kill(), w.end())
	if code := p.daemon.ExitCode(); code != killed {
		err = errors.Join(err, fmt.Errorf("the daemon ended by itself with %d", code))
	}
	if power {
		p.cuts++
		err = errors.Join(err, p.disk.Cut(p.random.Uint64()))
	} else {
		p.kills++
	}
	if err != nil {
		return err
	}
	return p.onDisk()
}

func (p *powerLoss) onDisk() error {
	dir, err := timelineDir(p.disk.FS())
	if err != nil {
		return err
	}
	return p.claims.heldOn(p.disk.FS().ReadFile, dir)
}

// prove lets the daemon receive all there is, ends it as an operator would, and
// compares the files that a last cut leaves with the primary's.
func (p *powerLoss) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := p.daemon.Start(); err != nil {
		return err
	}
	end, err := proof.End(ctx, p.Primary)
	if err != nil {
		return err
	}
	if err := p.daemon.WaitDurable(ctx, end); err != nil {
		return err
	}
	if code, err := p.daemon.Stop(); err != nil || code != 0 {
		return fmt.Errorf("SIGTERM: exit code %d, %v", code, err)
	}
	if err := p.disk.Cut(0); err != nil {
		return err
	}
	if err := p.onDisk(); err != nil {
		return err
	}
	dir, err := timelineDir(p.disk.FS())
	if err != nil {
		return err
	}
	copied := filepath.Join(p.Dir, "copy")
	if err := export(p.disk.FS(), dir, copied); err != nil {
		return err
	}
	return errors.Join(compareFiles(ctx, p.Options, copied), os.RemoveAll(copied))
}
