package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// Whatever hangs, at the start or at the end, the command returns in time and says what.
func TestAHangingDiskDoesNotKeepTheDaemonFromEnding(t *testing.T) {
	broken := errors.New("a listener broke")
	for name, c := range map[string]struct {
		failure error
		words   []string
	}{
		"SIGTERM":   {nil, []string{"closing source main"}},
		"a failure": {broken, []string{"closing source main", broken.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			hang, under := make(chan struct{}), new(underWay)
			defer close(hang)
			err := withinEndTime(ctx, 50*time.Millisecond, under, func(ctx context.Context, end func(error)) error {
				under.begin("opening source main")()
				if c.failure != nil {
					end(c.failure)
				} else {
					cancel()
				}
				defer under.begin("closing source main")()
				<-hang
				return nil
			})
			if exitCode(err) != exitFailure || errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			for _, word := range c.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%v does not say %q", err, word)
				}
			}
			if strings.Contains(err.Error(), "opening") {
				t.Error(err)
			}
		})
	}
	if endTime >= 10*time.Second || drainTime >= endTime {
		t.Error("times that do not fit into 10 s")
	}
}

func TestWhatEndsInTimeIsWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want := errors.New("the last word")
	err := withinEndTime(ctx, time.Minute, new(underWay), func(context.Context, func(error)) error { return want })
	if err != want {
		t.Error(err)
	}
}
