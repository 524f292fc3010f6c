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
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line: one field a command.
type cli struct {
	Run     runCommand     `cmd:"" help:"Follow, keep and serve: the daemon."`
	Status  statusCommand  `cmd:"" help:"Ask a running daemon how it is; exits with the code of a stopped source."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(start(os.Args[1:], os.Stdout, os.Stderr))
}

// start runs one command and returns the exit code. It is main without the exit,
// so that tests can call it.
func start(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signals()
	defer stop()
	exited := -1
	parser, err := kong.New(&cli{},
		kong.Name("binlogproxy"),
		kong.Description("Follows MySQL primaries, keeps their binlogs byte for byte, serves them again."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
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
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "binlogproxy:", err)
	}
	return exitCode(err)
}

// streams are where commands print.
type streams struct{ out, err io.Writer }

// signals gives a context that ends with the first SIGINT or SIGTERM; the second
// ends the process at once.
func signals() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case s := <-ch:
				if n > 0 {
					os.Exit(128 + int(s.(syscall.Signal)))
				}
				cancel()
			case <-done:
				return
			}
		}
	}()
	stop := func() {
		signal.Stop(ch)
		close(done)
		cancel()
	}
	return ctx, stop
}
