package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// startLimit is how long a server may take to answer where the caller's context sets no limit. A
// recovery after Kill in the middle of a large transaction takes a while on a slow disk.
const startLimit = 2 * time.Minute

// Kill ends the server with SIGKILL. When it returns the process is gone. What the server had handed
// to the kernel survives, as with a crash of mysqld; this is not a loss of power.
func (m *MySQL) Kill(ctx context.Context) error {
	return m.explain("killing", m.container.kill(ctx))
}

// Stop shuts the server down in order. It is an error if mysqld ended otherwise.
func (m *MySQL) Stop(ctx context.Context) error {
	// While connections are open, even idle ones, mysqld first gives them two seconds to end.
	m.db.SetMaxIdleConns(0)
	m.db.SetMaxIdleConns(maxIdleConns)
	if err := m.container.stop(ctx); err != nil {
		return m.explain("stopping", err)
	}
	exit, err := m.container.exitCode(ctx)
	if err == nil && exit != 0 {
		err = fmt.Errorf("mysqld ended with exit code %d\n%s", exit, m.LogTail(ctx))
	}
	return m.explain("stopping", err)
}

// Start starts the server again on the same data and port, and returns when it answers.
func (m *MySQL) Start(ctx context.Context) error {
	if err := m.container.start(ctx); err != nil {
		return m.explain("starting", err)
	}
	return m.explain("starting", m.waitReady(ctx))
}

// Pause freezes every process of the server. Connections stay open and nothing answers, as when a
// machine hangs.
func (m *MySQL) Pause(ctx context.Context) error {
	return m.explain("pausing", m.container.pause(ctx))
}

// Unpause undoes Pause.
func (m *MySQL) Unpause(ctx context.Context) error {
	return m.explain("unpausing", m.container.unpause(ctx))
}

// Terminate removes the server and its data, whatever its state. It may be called again.
func (m *MySQL) Terminate(ctx context.Context) error {
	var errs []error
	if m.db != nil {
		errs = append(errs, m.db.Close())
	}
	if m.container != nil {
		errs = append(errs, m.container.remove(ctx))
	}
	m.releasePort()
	return m.explain("removing", errors.Join(errs...))
}

// Exec runs a command in the server's container, as the user mysql; mysql, mysqldump and mysqladmin
// find the server and need only -uroot. An error means that it could not be run; a command that
// fails has an exit code.
func (m *MySQL) Exec(ctx context.Context, cmd ...string) (stdout, stderr string, exit int, err error) {
	stdout, stderr, exit, err = m.container.exec(ctx, cmd)
	return stdout, stderr, exit, m.explain("running "+cmd[0]+" in", err)
}

// ReadFile copies a file out of the server's container, which may be down.
func (m *MySQL) ReadFile(ctx context.Context, path string, w io.Writer) error {
	return m.explain("reading "+path+" of", m.container.readFile(ctx, path, w))
}

// WriteFile copies a file of this machine into the server's container, for its tools to read.
func (m *MySQL) WriteFile(ctx context.Context, hostPath, path string) error {
	return m.explain("writing "+path+" into", m.container.writeFile(ctx, hostPath, path))
}

// LogTail is the end of the server's error log, for messages.
func (m *MySQL) LogTail(ctx context.Context) string { return m.container.logTail(ctx) }

// explain names the server in an error.
func (m *MySQL) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s (%s): %w", doing, m.options.Name, m.Addr(), err)
}

// waitReady returns when the server answers a statement. A server that has ended will not, and is
// reported at once, with its log.
func (m *MySQL) waitReady(ctx context.Context) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, startLimit)
		defer cancel()
	}
	for {
		err := m.db.PingContext(ctx)
		if err == nil {
			return nil
		}
		state, stateErr := m.container.state(ctx)
		if stateErr == nil && !state.Running {
			return fmt.Errorf("mysqld ended with exit code %d\n%s", state.ExitCode, m.LogTail(ctx))
		}
		select {
		case <-ctx.Done():
			logs := m.LogTail(context.WithoutCancel(ctx))
			return fmt.Errorf("no answer: %w (%w)\n%s", err, context.Cause(ctx), logs)
		case <-time.After(pollInterval):
		}
	}
}
