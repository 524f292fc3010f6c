package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// prove waits until the daemon and the replicas have everything, and compares.
func (b *bench) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for _, p := range b.pairs {
		if err := p.prove(ctx, b.proxy); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if b.storage != nil {
			if err := b.proveStored(ctx, p); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return nil
}

func (p *pair) prove(ctx context.Context, proxy *child.Daemon) error {
	p.upstream.Heal()
	p.downstream.Heal()
	set, err := p.primary.GTIDExecuted(ctx)
	if err != nil {
		return err
	}
	say("the replica of %s catches up", p.name)
	if err := p.replica.WaitForGTIDs(ctx, set); err != nil {
		return fmt.Errorf("%w\n%s", err, proxy.Tail())
	}
	end, err := proof.End(ctx, p.primary)
	if err != nil {
		return err
	}
	if err := proxy.WaitDurableOf(ctx, p.name, end); err != nil {
		return err
	}
	var table proof.Table
	if p.inspector == nil { // else not all files are on the disk
		dir, err := proof.TimelineDir(p.dir)
		if err != nil {
			return err
		}
		if table, err = proof.Files(ctx, p.primary, dir); err != nil {
			return err
		}
	}
	ours, err := p.replica.GTIDExecuted(ctx)
	if err != nil {
		return err
	}
	table = append(table, proof.GTIDs("gtid_executed of the replica", ours, set))
	tables, err := proof.Tables(ctx, p.primary, p.replica)
	if err != nil {
		return err
	}
	ledger, err := proof.Ledger(ctx, p.primary, p.replica, "workload.ledger")
	if err != nil {
		return err
	}
	table = append(append(table, tables...), ledger)
	return conclude(table)
}

// conclude prints a table, and fails where something differs.
func conclude(table proof.Table) error {
	if err := table.Print(os.Stdout); err != nil {
		return err
	}
	if !table.Equal() {
		return errors.New("something differs")
	}
	return nil
}

// stop ends everything; what was written stays if keep.
func (b *bench) stop(keep bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if b.proxy != nil {
		errs = append(errs, b.proxy.Close())
	}
	for _, p := range b.pairs {
		errs = append(errs, p.close(ctx))
	}
	if b.storage != nil {
		errs = append(errs, b.storage.close(keep))
	}
	if b.log != nil {
		errs = append(errs, b.log.Close())
	}
	if keep {
		say("the daemon's directory and log are in %s", b.dir)
	} else if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}
