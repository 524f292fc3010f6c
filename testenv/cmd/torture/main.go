// Command torture kills and cuts everything at random under load, and proves that
// not one byte was lost, doubled or moved: binlogproxy dies by SIGKILL again and
// again, some of the times while it seals a file; it follows two sources, and its
// connections on both sides, all of them TLS, are cut; the sources are killed too, and
// change between files with and without checksums; SIGHUP takes a source away and gives
// it back changed. At the end every binlog file is compared with the primary's own,
// and the tables of a replica behind the proxy with the primary's.
//
// With -bucket the daemon has a bucket, of which nearly a third of the requests fails, and
// keeps little on its disk. Behind some kills its data directory is deleted too. What
// the daemon has told to be durable, on the disk or in the bucket, must be there
// afterwards, and every object that the catalog lists must be the primary's file.
//
// The seed is printed; with -seed the same choices are made again. (When things
// happen also depends on the machine.)
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	o := options{bigBytes: 64 << 20}
	flag.StringVar(&o.binary, "binary", "bin/binlogproxy", "the proxy's `FILE`")
	flag.IntVar(&o.kills, "kills", 50, "kills of the proxy")
	flag.BoolVar(&o.bucket, "bucket", false, "with a bucket that fails, and data directories deleted")
	flag.IntVar(&o.sealing, "sealing", -1, "kills of these that must hit a sealing; -1 = a fifth, at most 10")
	flag.IntVar(&o.sourceKills, "source-kills", -1, "kills of the source; -1 = a tenth of the proxy's, 1 to 5")
	flag.IntVar(&o.rotations, "rotations", -1, "rotations that the primary must have made by the end; -1 = as many as kills")
	flag.Uint64Var(&o.seed, "seed", 0, "of all choices; 0 = a new one")
	flag.Parse()
	if o.sealing < 0 {
		o.sealing = min(10, o.kills/5)
	}
	if o.sourceKills < 0 {
		o.sourceKills = min(5, max(1, o.kills/10))
	}
	if o.rotations < 0 {
		o.rotations = o.kills
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()>>1 + 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	begin := time.Now()
	err := torture(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "torture: %v\nrepeat with: make torture KILLS=%d SEED=%d%s\n", err, o.kills, o.seed, map[bool]string{true: " BUCKET=1"}[o.bucket])
		os.Exit(1)
	}
	fmt.Printf("torture: nothing was lost, doubled or moved (seed %d, %s)\n", o.seed, time.Since(begin).Round(time.Second))
}

type options struct {
	binary      string
	bucket      bool
	kills       int
	sealing     int
	sourceKills int
	rotations   int
	bigBytes    int // of the big transactions
	seed        uint64
}

func say(format string, args ...any) {
	fmt.Printf(time.Now().Format("15:04:05 ")+format+"\n", args...)
}
