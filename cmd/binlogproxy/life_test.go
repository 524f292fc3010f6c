package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server"
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
	next.Sources[1].ServerID, next.Sources[1].AuthPlugin = 7, wire.NativePassword // reconnect and relisten
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
		if _, err := p.trouble(); (err != nil) != (turns == 2 || turns == 3) {
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

// An account without a password, of which none was kept, is a mistake as any other:
// the reload changes nothing, and nobody is cut off.
func TestReloadWithAnAccountThatCannotBeTakenOverChangesNothing(t *testing.T) {
	c := &config.Config{DataDir: t.TempDir(), HTTP: config.HTTP{Listen: config.Off}}
	c.Sources = []config.Source{{Name: "main", Address: "127.0.0.1:1", User: "u", ServerID: 1, Listen: "127.0.0.1:0"}}
	c.FillDefaults()
	known, err := server.NewAccount("known", []byte("password"), server.ReplicationSlave)
	if err != nil {
		t.Fatal(err)
	}
	with := func(accounts ...server.Account) []settings {
		return []settings{{Source: c.Sources[0], accounts: accounts}}
	}
	d, err := openDaemon(c, with(known), slog.New(slog.DiscardHandler), new(underWay))
	if err != nil {
		t.Fatal(err)
	}
	d.level = new(slog.LevelVar)
	next := with(server.KeptAccount("known", server.ReplicationSlave), server.KeptAccount("forgotten", server.ReplicationSlave))
	d.load = func() (*config.Config, []settings, error) { return c, next, nil }
	ctx, stop := context.WithCancel(t.Context())
	hangup := make(chan os.Signal)
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, hangup, func(error) {}) }()
	var before *listener
	eventually(t, "a listener", func() (bool, string) {
		if o := d.all()[0].open.Load(); o != nil {
			before = o.listener.Load()
		}
		return before != nil, ""
	})
	hangup <- syscall.SIGHUP
	eventually(t, "the end of the reload", func() (bool, string) { return !d.lastReload().at.IsZero(), "" })
	if err := d.lastReload().err; err == nil || !strings.Contains(err.Error(), "forgotten") || strings.Contains(err.Error(), `"known"`) {
		t.Errorf("%v", err)
	}
	next = with(server.KeptAccount("known", server.ReplicationSlave))
	hangup <- syscall.SIGHUP
	eventually(t, "a reload that succeeds", func() (bool, string) { r := d.lastReload(); return r.err == nil, fmt.Sprint(r.err) })
	if l := d.all()[0].open.Load().listener.Load(); l != before {
		t.Error("the listener was begun again")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whoever asks for another try while one is under way gets it at once when that fails.
func TestAPartThatFailsIsTriedAgainIfAsked(t *testing.T) {
	p := part{pauseMin: 1}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	turns := 0
	_ = p.run(ctx, aMoment, func(context.Context) error {
		if turns++; turns == 1 {
			p.retry()
		} else {
			end()
		}
		return errors.New("broken")
	}, func(error) bool { return false }) // without that, there would be no second one
	if turns != 2 {
		t.Errorf("%d turns", turns)
	}
}
