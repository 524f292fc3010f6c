package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/child"
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
	bytes        int64
}

func newView(p *parts, load *workload.Load) *view {
	info, err := os.Stdout.Stat()
	v := &view{parts: p, load: load, at: time.Now(), terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
	fmt.Printf("    %-22s %10s %10s  %-18s %-18s %s\n", "proxy's position", "trx/s", "KiB/s", "behind the primary", "replica behind", "state")
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

func (v *view) line(ctx context.Context) {
	now, transactions := time.Now(), v.load.Transactions.Load()
	seconds := now.Sub(v.at).Seconds()
	rate := float64(transactions-v.transactions) / seconds
	v.at, v.transactions = now, transactions
	var st child.Status
	if err := v.parts.proxy.Status(ctx, &st); err != nil || len(st.Sources) == 0 {
		v.print("    %-22s %10.0f %10s  %-18s %-18s %s", "-", rate, "-", "-", "-", "the proxy is down")
		v.bytes = 0
		return
	}
	s := st.Sources[0]
	speed := "-"
	if v.bytes > 0 {
		speed = fmt.Sprintf("%.0f", float64(s.Bytes-v.bytes)/seconds/1024)
	}
	v.bytes = s.Bytes
	replica := "not attached"
	if len(s.Downstream) > 0 {
		replica = behind(s.Downstream[0].LagBytes)
	}
	v.print("    %-22s %10.0f %10s  %-18s %-18s %s", s.Durable, rate, speed, behind(s.LagBytes), replica, s.State)
}

func behind(bytes int64) string {
	switch {
	case bytes < 0:
		return "unknown"
	case bytes < 1<<20:
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// print refreshes one line on a terminal, and adds one elsewhere.
func (v *view) print(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if v.terminal {
		fmt.Printf("\r%s%s", text, strings.Repeat(" ", max(0, 110-len(text))))
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
