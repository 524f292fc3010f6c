package child

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The daemon of these tests is the test binary itself, called with "run".
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "run" {
		os.Exit(pretend(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// pretend listens where it is told to, is ready at once, and ends with 0 on SIGTERM.
// With --fail it ends with 7.
func pretend(args []string) int {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	fmt.Fprintln(os.Stderr, "this is", args)
	for _, arg := range args {
		if arg == "--fail" {
			return 7
		}
		if address, ok := strings.CutPrefix(arg, "--http-listen="); ok {
			go http.ListenAndServe(address, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		}
		if address, ok := strings.CutPrefix(arg, "--listen="); ok {
			if _, err := net.Listen("tcp", address); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
	}
	<-terminated
	return 0
}

func newPretender(t *testing.T, args ...string) *Daemon {
	t.Helper()
	d, err := New(Options{Binary: os.Args[0], DataDir: t.TempDir(), Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
	return d
}

func TestKilledDaemonComesBackOnItsPorts(t *testing.T) {
	d := newPretender(t)
	listen, web := d.Listen(), d.HTTP()
	for range 3 {
		if err := d.Start(); err != nil {
			t.Fatal(err)
		}
		if err := d.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{listen, web} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		}
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", listen); err == nil {
			conn.Close()
			t.Fatal("a killed daemon listens")
		}
	}
	if n := strings.Count(d.Tail(), "--listen="+listen); n != 3 {
		t.Errorf("%d lives in the log:\n%s", n, d.Tail())
	}
}

func TestDaemonsEndIsReported(t *testing.T) {
	d := newPretender(t)
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if err := d.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, err := d.Stop(); code != 0 || err != nil {
		t.Errorf("after SIGTERM: exit code %d, %v", code, err)
	}

	d = newPretender(t, "--fail")
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := d.WaitReady(ctx); err == nil || !strings.Contains(err.Error(), "ended before it was ready") {
		t.Errorf("a daemon that ended becomes ready: %v", err)
	}
	if code, err := d.Wait(ctx); code != 7 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
}
