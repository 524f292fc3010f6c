// Command binlogproxy follows MySQL primaries as a replica, keeps their binlogs
// byte for byte, and serves them again as a fake primary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line: one field a command.
type cli struct {
	Run     runCommand     `cmd:"" help:"Follow, keep and serve: the daemon."`
	Status  statusCommand  `cmd:"" help:"Ask a running daemon how it is; exits with the code of a stopped source."`
	Config  configCommand  `cmd:"" help:"Look at a configuration."`
	Archive archiveCommand `cmd:"" help:"Look at what is held of a source, find and copy it; also beside a running daemon."`
	Grants  grantsCommand  `cmd:"" help:"Print the SQL that gives us an account at a source."`
	Doctor  doctorCommand  `cmd:"" help:"Check all that a source needs: configuration, disk, the primary and what is held of it; exits with 1 if something fails."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(start(os.Args[1:], os.Stdout, os.Stderr))
}

// start runs one command and returns the exit code. It is main without the exit,
// so that tests can call it.
func start(args []string, stdout, stderr io.Writer) int {
	ctx, interrupted, stop := signals()
	defer stop()
	exited := -1
	parser, err := kong.New(&cli{},
		kong.Name("binlogproxy"),
		kong.Description("Follows MySQL primaries, keeps their binlogs byte for byte, serves them again."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{out: stdout, err: stderr}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "binlogproxy:", err)
		return exitFailure
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "binlogproxy: %v (binlogproxy --help lists commands and flags)\n", err)
		return exitUsage
	}
	err = command.Run()
	if code := interrupted(); code != 0 && errors.Is(err, context.Canceled) {
		return code
	}
	if err != nil {
		fmt.Fprintln(stderr, "binlogproxy:", err)
	}
	return exitCode(err)
}

// streams are where commands print.
type streams struct{ out, err io.Writer }

// signals gives a context that ends with the first SIGINT or SIGTERM, and the exit
// code of a command that this cut short, 0 before. The second signal ends the
// process at once, with that code.
func signals() (_ context.Context, interrupted func() int, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	var code atomic.Int32
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case s := <-ch:
				if !code.CompareAndSwap(0, int32(exitSignal+s.(syscall.Signal))) {
					os.Exit(int(code.Load()))
				}
				cancel()
			case <-done:
				return
			}
		}
	})
	stop = func() {
		signal.Stop(ch)
		close(done)
		watcher.Wait()
		cancel()
	}
	return ctx, func() int { return int(code.Load()) }, stop
}
