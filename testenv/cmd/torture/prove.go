package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// prove waits until the daemon and the replica have everything, and compares.
func (b *bench) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	b.upstream.Heal()
	b.downstream.Heal()
	set, err := b.primary.GTIDExecuted(ctx)
	if err != nil {
		return err
	}
	say("the replica catches up")
	if err := b.replica.WaitForGTIDs(ctx, set); err != nil {
		return fmt.Errorf("%w\n%s", err, b.proxy.Tail())
	}
	end, err := proof.End(ctx, b.primary)
	if err != nil {
		return err
	}
	if err := b.proxy.WaitDurable(ctx, end); err != nil {
		return err
	}
	dir, err := proof.TimelineDir(b.proxy.SourceDir())
	if err != nil {
		return err
	}
	table, err := proof.Files(ctx, b.primary, dir)
	if err != nil {
		return err
	}
	ours, err := b.replica.GTIDExecuted(ctx)
	if err != nil {
		return err
	}
	table = append(table, proof.GTIDs("gtid_executed of the replica", ours, set))
	tables, err := proof.Tables(ctx, b.primary, b.replica)
	if err != nil {
		return err
	}
	ledger, err := proof.Ledger(ctx, b.primary, b.replica, "workload.ledger")
	if err != nil {
		return err
	}
	table = append(append(table, tables...), ledger)
	if err := table.Print(os.Stdout); err != nil {
		return err
	}
	if !table.Equal() {
		return errors.New("something differs")
	}
	return nil
}

func (b *bench) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if b.load != nil {
		errs = append(errs, b.load.Stop())
	}
	if b.proxy != nil {
		errs = append(errs, b.proxy.Close())
	}
	if b.upstream != nil {
		b.upstream.Close()
	}
	if b.downstream != nil {
		b.downstream.Close()
	}
	for _, m := range []*testenv.MySQL{b.primary, b.replica} {
		if m != nil {
			errs = append(errs, m.Terminate(ctx))
		}
	}
	if b.dataDir != "" {
		errs = append(errs, os.RemoveAll(b.dataDir))
	}
	return errors.Join(errs...)
}
