// Command hostile runs the real binary between a real source under load and clients
// that mean no good, and measures what the good ones notice:
//
//   - 40 replicas on the live tail, beside 50 that never read and 10 that read 1 KiB/s:
//     the median time from a commit at the source to the replicas;
//   - 10,000 connections that say nothing: how many are held, the memory, a login.
//
// It prints a table, and ends with 1 where a promise is broken.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("binary", "bin/binlogproxy", "the proxy's `FILE`")
	minutes := flag.Float64("minutes", 10, "how long the bad clients stay")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	broken, err := hostile(ctx, *binary, time.Duration(*minutes*float64(time.Minute)))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
	if broken > 0 {
		fmt.Fprintf(os.Stderr, "hostile: %d promises are broken\n", broken)
		os.Exit(1)
	}
}

func say(format string, args ...any) {
	fmt.Printf(time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// promise is a line of the table.
type promise struct {
	what           string
	measured, most float64
	unit           string
}

// report prints the table and returns how many promises are broken.
func report(promises []promise) (broken int) {
	fmt.Printf("%-72s %12s %12s\n", "", "measured", "at most")
	for _, p := range promises {
		verdict := "kept"
		if p.measured > p.most {
			verdict = "BROKEN"
			broken++
		}
		fmt.Printf("%-72s %12.2f %12.2f %-4s %s\n", p.what, p.measured, p.most, p.unit, verdict)
	}
	return broken
}
