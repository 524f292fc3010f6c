// Command faults puts binlogproxy on disks that fail, and proves that nothing that it
// had acknowledged or served is lost or changed: see package faults.
//
// The seed is printed; with -seed the same choices are made again. (When things
// happen also depends on the machine.)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/faults"
)

func main() {
	var o faults.Options
	flag.StringVar(&o.Binary, "binary", "bin/binlogproxy", "the proxy's `FILE`")
	cuts := flag.Int("cuts", 100, "power cuts")
	step := flag.Int("step", 1, "of the operations of the disk, every so many-th is made to fail")
	flag.Uint64Var(&o.Seed, "seed", 0, "of all choices; 0 = a new one")
	flag.Parse()
	if o.Seed == 0 {
		o.Seed = rand.Uint64()>>1 + 1
	}
	o.Say = func(format string, args ...any) {
		fmt.Printf(time.Now().Format("15:04:05 ")+format+"\n", args...)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	begin := time.Now()
	err := run(ctx, o, *cuts, *step)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "faults: %v\nrepeat with: make faults CUTS=%d STEP=%d SEED=%d\n", err, *cuts, *step, o.Seed)
		os.Exit(1)
	}
	fmt.Printf("faults: nothing that was acknowledged or served was lost or changed (seed %d, %s)\n", o.Seed, time.Since(begin).Round(time.Second))
}

func run(ctx context.Context, o faults.Options, cuts, step int) (err error) {
	o.Say("seed %d", o.Seed)
	if err := testenv.Setup(ctx); err != nil {
		return err
	}
	if o.Dir, err = os.MkdirTemp("", "binlogproxy-faults-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	o.Primary, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "primary", Args: []string{"--max-binlog-size=1M", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Primary.Terminate(context.WithoutCancel(ctx))) }()
	if err := faults.PowerLoss(ctx, o, cuts); err != nil {
		return err
	}
	if err := faults.FullDisk(ctx, o); err != nil {
		return err
	}
	if err := faults.Strace(ctx, o, step); err != nil {
		return err
	}
	return faults.Sweep(ctx, o, faults.Faults, step)
}
