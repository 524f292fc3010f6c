// Package child runs the real binlogproxy binary as a child process, for tests
// that must stop it at an exact instant, for the demo and for the torture run.
package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// Options say how a daemon is started. Addresses are host:port on loopback.
type Options struct {
	Binary       string          // path of the binary; must be given
	DataDir      string          // must be given
	Source       string          // address of the primary
	User         string          // at the primary, and for downstreams
	Password     string          // handed over in the environment
	ServerID     uint32          // 0 = 4242
	Listen       string          // "" = a port reserved until Close
	HTTP         string          // "" = a port reserved until Close
	Args         []string        // further flags of run
	Env          []string        // further variables, name=value
	Under        func() []string // asked at each start: the program, with its arguments, that runs the binary and becomes it; nil = none
	ConfigFile   string          // YAML that says all but data directory and HTTP; Source, User, Password and ServerID do not count then
	Log          io.Writer       // gets the daemon's standard error; nil = kept in memory only
	ReadyTimeout time.Duration   // for WaitReady; 0 = 30 s
	Keep         bool            // the process goes on when this one ends, and writes DataDir with .log behind it
}

// Daemon is a binlogproxy that may be killed and started again on the same data
// and the same ports. It keeps those reserved, also while it is down, so that
// nobody else in this or another process of tests gets them.
type Daemon struct {
	options Options
	release []func()   // each gives a reserved port back
	mu      sync.Mutex // guards cmd, done
	cmd     *exec.Cmd
	done    chan struct{}
	tail    tailBuffer
}

// New fills in what Options leave open. It starts nothing. Whoever calls it calls
// Close, or leaves that to the end of this process.
func New(options Options) (*Daemon, error) {
	if options.ServerID == 0 {
		options.ServerID = 4242
	}
	if options.ReadyTimeout == 0 {
		options.ReadyTimeout = 30 * time.Second
	}
	d := &Daemon{options: options}
	for _, address := range []*string{&d.options.Listen, &d.options.HTTP} {
		if *address != "" {
			continue
		}
		port, release, err := testenv.ReservePort()
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.release = append(d.release, release)
		*address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	return d, nil
}

// Close kills the process if it runs and gives its ports back. It may be called again.
func (d *Daemon) Close() error {
	err := d.Kill()
	for _, release := range d.release {
		release()
	}
	d.release = nil
	return err
}

// Listen is where downstreams connect.
func (d *Daemon) Listen() string { return d.options.Listen }

// Endpoint is Listen as host and port.
func (d *Daemon) Endpoint() (host string, port int) {
	host, text, _ := net.SplitHostPort(d.options.Listen) // New made or was given it
	port, _ = strconv.Atoi(text)
	return host, port
}

// PID is the process id of the running daemon, 0 before Start.
func (d *Daemon) PID() int {
	cmd, _ := d.process()
	if cmd == nil {
		return 0
	}
	return cmd.Process.Pid
}

// HTTP is the address of /status and its neighbours.
func (d *Daemon) HTTP() string { return d.options.HTTP }

// SourceDir is the folder of the one source's log.
func (d *Daemon) SourceDir() string { return filepath.Join(d.options.DataDir, "main") }

// Tail is the end of what the daemon wrote on standard error, over all its lives.
func (d *Daemon) Tail() string { return d.tail.String() }

// Start starts the process. It does not wait until it is ready.
func (d *Daemon) Start() error {
	o := d.options
	line := append([]string{o.Binary}, o.args()...)
	if o.Under != nil {
		line = append(o.Under(), line...)
	}
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), "BINLOGPROXY_PASSWORD="+o.Password, "BINLOGPROXY_LISTEN_PASSWORD="+o.Password)
	cmd.Env = append(cmd.Env, o.Env...)
	cmd.Stderr = &d.tail
	if o.Log != nil {
		cmd.Stderr = io.MultiWriter(&d.tail, o.Log)
	}
	if o.Keep {
		log, err := os.OpenFile(o.DataDir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		cmd.Stderr = log // a pipe would end with this process, and the daemon with the pipe
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its result is in cmd.ProcessState
		close(done)
	}()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cmd, d.done = cmd, done
	return nil
}

// args is the daemon's command line.
func (o *Options) args() []string {
	args := []string{"run", "--data-dir=" + o.DataDir, "--http-listen=" + o.HTTP}
	if o.ConfigFile != "" {
		args = append(args, "--config="+o.ConfigFile)
	} else {
		args = append(args, "--source="+o.Source, "--user="+o.User, "--server-id="+strconv.FormatUint(uint64(o.ServerID), 10),
			"--listen="+o.Listen, "--listen-user="+o.User)
	}
	return append(args, o.Args...)
}

// Kill ends the process with SIGKILL and waits for its end.
func (d *Daemon) Kill() error { _, err := d.end(syscall.SIGKILL); return err }

// Stop ends the process with SIGTERM and returns its exit code.
func (d *Daemon) Stop() (int, error) { return d.end(syscall.SIGTERM) }

// Wait waits for the process to end by itself and returns its exit code.
func (d *Daemon) Wait(ctx context.Context) (int, error) {
	cmd, done := d.process()
	if cmd == nil {
		return 0, errors.New("the daemon was not started")
	}
	select {
	case <-done:
		return cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// ExitCode is that of the process that was ended last: -1 where a signal ended it.
func (d *Daemon) ExitCode() int {
	cmd, done := d.process()
	<-done
	return cmd.ProcessState.ExitCode()
}

func (d *Daemon) process() (*exec.Cmd, chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cmd, d.done
}

// endTime is how long the process may take to end: ten seconds, as the daemon
// promises, and a little for a busy machine.
const endTime = 12 * time.Second

func (d *Daemon) end(signal syscall.Signal) (int, error) {
	cmd, done := d.process()
	if cmd == nil {
		return 0, nil
	}
	if err := cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-done:
	case <-time.After(endTime):
		_ = cmd.Process.Kill()
		<-done
		return -1, fmt.Errorf("the daemon did not end within %s of %s:\n%s", endTime, signal, d.Tail())
	}
	return cmd.ProcessState.ExitCode(), nil
}

// tailBuffer keeps the last lines written to it.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 64 << 10

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailBytes {
		t.b = bytes.Clone(t.b[len(t.b)-tailBytes:])
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.b), "?")
}
