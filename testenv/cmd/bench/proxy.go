package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// proxy is the real binary, a process of its own, that holds on disk all that its source has.
type proxy struct {
	*child.Daemon
	dir string
}

// startProxy returns when the daemon has received the source's files and sealed them.
func (b *bencher) startProxy(ctx context.Context, source *testenv.MySQL) (*proxy, error) {
	p, err := b.newProxy(child.Options{Source: source.Addr(), User: testenv.ReplicationUser, Password: testenv.ReplicationPassword})
	if err != nil {
		return nil, err
	}
	if err := p.catchUp(ctx, source); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// newProxy starts nothing yet. The options are to name the source and the account.
func (b *bencher) newProxy(options child.Options) (_ *proxy, err error) {
	b.proxies++ // a source still knows the one before by its server id
	p := &proxy{}
	if p.dir, err = os.MkdirTemp(b.disk, "proxy-"); err != nil {
		return nil, err
	}
	options.Binary, options.DataDir = b.daemon, filepath.Join(p.dir, "data")
	options.ServerID, options.ReadyTimeout = 4_100_000+b.proxies, receiveLimit
	if p.Daemon, err = child.New(options); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, nil
}

func (p *proxy) catchUp(ctx context.Context, source *testenv.MySQL) error {
	if err := errors.Join(p.Start(), p.WaitReady(ctx)); err != nil {
		return err
	}
	end, err := proof.End(ctx, source)
	if err != nil {
		return err
	}
	if err := p.WaitDurable(ctx, end); err != nil {
		return err
	}
	return settle(ctx, p.PID())
}

// settle returns when a process has used no processor for half a second: nothing is being sealed.
func settle(ctx context.Context, pid int) error {
	for last := time.Duration(-1); ; {
		now, err := bench.ProcessCPU(pid)
		if err != nil || now == last {
			return err
		}
		last = now
		if err := pause(ctx, time.Second/2); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *proxy) close() error { return errors.Join(p.Close(), os.RemoveAll(p.dir)) }
