package replica

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

const (
	testServerID = 4711
	testUUID     = "aaaaaaaa-1111-2222-3333-444444444444"
	testTimeout  = 60 * time.Second // for what should take milliseconds
)

// startSource starts a fake source for the length of a test.
func startSource(t testing.TB, options fakesource.Options) *fakesource.Source {
	t.Helper()
	source, err := fakesource.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	return source
}

// testOptions follow a fake source, with hardly any waiting between attempts.
func testOptions(addr string, sink Sink) Options {
	return Options{
		Source:          dial.Options{Addr: addr, User: fakesource.DefaultUser, Password: fakesource.DefaultPassword},
		ServerID:        testServerID,
		ServerUUID:      testUUID,
		HeartbeatPeriod: 10 * time.Second,
		BackoffMin:      time.Millisecond,
		BackoffMax:      4 * time.Millisecond,
		Sink:            sink,
		Logger:          slog.New(slog.DiscardHandler),
	}
}

// running is a Replica in a goroutine of its own.
type running struct {
	*Replica
	t      testing.TB
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// run starts a Replica, and ends it with the test.
func run(t testing.TB, options Options) *running {
	t.Helper()
	r, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return launch(t, r)
}

func launch(t testing.TB, r *Replica) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	running := &running{Replica: r, t: t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(running.done)
		running.err = r.Run(ctx)
	}()
	t.Cleanup(running.stop)
	return running
}

func (r *running) stop() {
	r.cancel()
	<-r.done
}

// stopped waits for a permanent error.
func (r *running) stopped() error {
	r.t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(testTimeout):
		r.t.Fatalf("still running: %+v", r.Status())
		return nil
	}
}

// until waits, flush by flush, until the sink is as wanted.
func (r *running) until(sink *memorySink, what string, wanted func() bool) {
	r.t.Helper()
	timeout := time.After(testTimeout)
	for {
		flushed := sink.wait()
		if wanted() {
			return
		}
		select {
		case <-flushed:
		case <-r.done:
			r.t.Fatalf("%s: it stopped: %v", what, r.err)
		case <-timeout:
			r.t.Fatalf("%s: not within %s; %+v", what, testTimeout, r.Status())
		}
	}
}

// untilHeld waits until the sink holds all of the files, then compares them.
func (r *running) untilHeld(sink *memorySink, files ...fakesource.File) {
	r.t.Helper()
	last := files[len(files)-1]
	end := replication.Position{File: last.Name, Offset: int64(len(last.Bytes))}
	r.until(sink, "all files", func() bool {
		at, ok := sink.End()
		return ok && at == end
	})
	checkHeld(r.t, sink, files...)
}

// checkHeld compares what the sink holds with the files.
func checkHeld(t testing.TB, sink *memorySink, files ...fakesource.File) {
	t.Helper()
	for _, f := range files {
		if got := sink.file(f.Name); !bytes.Equal(got, f.AsSent()) {
			t.Errorf("%s: %d bytes held, %d at the source, or different ones", f.Name, len(got), len(f.Bytes))
		}
	}
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if len(sink.names) != len(files) {
		t.Errorf("held: %v; %d files expected", sink.names, len(files))
	}
}
