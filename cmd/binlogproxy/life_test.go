package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/binlogproxy/binlogproxy/internal/config"
)

// Sources that are opened, changed, removed and added leave nothing running behind.
func TestADaemonThatHasEndedLeavesNoGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	c := &config.Config{DataDir: t.TempDir(), HTTP: config.HTTP{Listen: "127.0.0.1:0"}}
	name := func(c config.Config, names ...string) *config.Config {
		c.Sources = nil
		for i, name := range names {
			c.Sources = append(c.Sources, config.Source{Name: name, Address: "127.0.0.1:1", User: "u", ServerID: uint32(i + 1), Listen: "127.0.0.1:0"})
		}
		c.FillDefaults()
		return &c
	}
	all := func(c *config.Config) (list []settings) {
		for _, s := range c.Sources {
			list = append(list, settings{Source: s})
		}
		return list
	}
	first := name(*c, "kept", "gone")
	d, err := openDaemon(first, all(first), slog.New(slog.DiscardHandler), new(underWay))
	if err != nil {
		t.Fatal(err)
	}
	d.level = new(slog.LevelVar)
	next := name(*c, "new", "kept")
	next.Sources[1].ServerID, next.Sources[1].MaxConnections = 7, 5 // reconnect and relisten
	d.load = func() (*config.Config, []settings, error) { return next, all(next), nil }
	ctx, stop := context.WithCancel(t.Context())
	hangup := make(chan os.Signal)
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, hangup, func(error) {}) }()
	listening := func(names ...string) {
		eventually(t, "listeners of all sources", func() (bool, string) {
			st := d.status()
			ok := len(st.Sources) == len(names)
			for i := range min(len(names), len(st.Sources)) {
				ok = ok && st.Sources[i].Name == names[i] && st.Sources[i].Listen != ""
			}
			return ok, ""
		})
	}
	listening("kept", "gone")
	hangup <- syscall.SIGHUP
	listening("new", "kept")
	broken := errors.New("something broke")
	d.endWith(broken)
	if err := <-ended; !errors.Is(err, broken) {
		t.Error(err)
	}
	stop()
}

// A part whose turn fails waits, is well again, and ends at once when told to.
func TestAPartIsTriedAgainUntilItIsWell(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p := part{pauseMin: 1}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	broken, turns := errors.New("broken"), 0
	last := p.run(ctx, aMoment, func(ctx context.Context) error {
		turns++
		if err, _ := p.trouble(); (err != nil) != (turns == 2 || turns == 3) {
			t.Errorf("turn %d: the problem is %v", turns, err)
		}
		switch turns {
		case 1, 2:
			return broken
		case 3:
			p.well()
			p.restart() // a change
			<-ctx.Done()
			return nil
		}
		end()
		<-ctx.Done()
		return errors.New("the last word")
	}, func(error) bool { return true })
	if turns != 4 || last == nil || last.Error() != "the last word" {
		t.Errorf("%d turns, %v", turns, last)
	}
}

func aMoment() time.Duration { return time.Millisecond }
