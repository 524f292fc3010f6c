package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// view prints a line a second: where everything stands, how fast it moves, and
// how far each stage is behind.
type view struct {
	parts        *parts
	load         *workload.Load
	terminal     bool
	at           time.Time
	transactions int64
	bytes        int64  // that the proxy held at the last line; 0: not known
	durable      string // FILE:OFFSET, what the proxy last said; holds also while it is down
}

const rowFormat = "    %-22s %7s %8s  %-20s %-20s %s"

func newView(p *parts, load *workload.Load) *view {
	info, err := os.Stdout.Stat()
	v := &view{parts: p, load: load, at: time.Now(), terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
	fmt.Printf(rowFormat+"\n", "proxy's position", "trx/s", "KiB/s", "proxy behind primary", "replica behind proxy", "state")
	return v
}

// watch prints for a time, or until ctx ends.
func (v *view) watch(ctx context.Context, d time.Duration) error {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-end.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			v.line(ctx)
		}
	}
}

// line asks the replica, then the proxy and last the primary, so that nobody looks
// nearer to the one before it than it is.
func (v *view) line(ctx context.Context) {
	now, transactions := time.Now(), v.load.Transactions.Load()
	seconds := now.Sub(v.at).Seconds()
	rate := float64(transactions-v.transactions) / seconds
	v.at, v.transactions = now, transactions

	applied := v.applied(ctx)
	position, speed, state := "-", "-", "the proxy is down"
	var st child.Status
	if err := v.parts.proxy.Status(ctx, &st); err == nil && len(st.Sources) == 1 {
		s := st.Sources[0]
		if v.bytes > 0 {
			speed = fmt.Sprintf("%.0f", float64(s.Bytes-v.bytes)/seconds/1024)
		}
		position, state, v.durable, v.bytes = s.Durable, s.State, s.Durable, s.Bytes
		if len(s.Downstream) == 0 {
			state += ", no replica attached"
		}
	} else {
		v.bytes = 0
	}
	files, err := v.parts.primary.BinlogFiles(ctx)
	if err != nil {
		files = nil // Behind says that it does not know
	}
	proxyBehind, proxyErr := proof.Behind(files, v.durable)
	replicaBehind, replicaErr := proof.Behind(files, applied)
	v.print(rowFormat, position, fmt.Sprintf("%.0f", rate), speed,
		amount(proxyBehind, proxyErr), amount(replicaBehind-proxyBehind, errors.Join(proxyErr, replicaErr)), state)
}

// applied is FILE:OFFSET up to which the replica says that it has applied everything.
func (v *view) applied(ctx context.Context) string {
	status, err := v.parts.replica.ReplicaStatus(ctx)
	if err != nil {
		return ""
	}
	return status["Relay_Source_Log_File"] + ":" + status["Exec_Source_Log_Pos"]
}

// amount is a number of bytes, which may not be known.
func amount(bytes int64, err error) string {
	switch {
	case err != nil:
		return "unknown"
	case bytes < 1<<20:
		return fmt.Sprintf("%.0f KiB", float64(max(bytes, 0))/1024)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// print refreshes one line on a terminal, and adds one elsewhere.
func (v *view) print(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if v.terminal {
		fmt.Printf("\r%s%s", text, strings.Repeat(" ", max(0, 120-len(text))))
		return
	}
	fmt.Println(text)
}

// say prints a line that stays.
func (v *view) say(format string, args ...any) {
	if v.terminal {
		fmt.Println()
	}
	step(format, args...)
}
