package testenv

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/binlogproxy/binlogproxy/archive/store/s3"
)

// S3Bucket is the one bucket of each S3 server.
const S3Bucket = "archive"

const s3Region = "us-east-1"

// S3Options choose an S3 server. The zero value has its objects in a new directory
// of the machine's temporary one.
type S3Options struct {
	// Dir gets the directory with the objects, which is removed with the server;
	// "/dev/shm" keeps them in memory.
	Dir string

	// Keep leaves the server running when this process ends. Whoever sets it ends it by
	// hand: kill <PID>.
	Keep bool
}

// S3 is a versitygw on loopback, with one bucket whose objects are files. It may be
// killed and started again, on the same port and data.
type S3 struct {
	keep      bool
	port      int
	release   func()
	binary    string
	dir       string // of buckets; beside it, what does not fit into extended attributes
	accessKey string
	secretKey string

	mu   sync.Mutex // guards the rest
	cmd  *exec.Cmd
	done chan struct{}
	log  bytes.Buffer
}

// StartS3 starts a server and returns when it answers. Whoever calls it calls Close.
func StartS3(ctx context.Context, options S3Options) (*S3, error) {
	s := &S3{keep: options.Keep, accessKey: "testenv", secretKey: rand.Text(), release: func() {}}
	if err := s.create(ctx, options); err != nil {
		return nil, fmt.Errorf("starting an S3 server: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

// NewS3 is StartS3 for a test: the server ends with it.
func NewS3(t testing.TB, options S3Options) *S3 {
	t.Helper()
	s, err := StartS3(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the S3 server:\n%s", s.Log())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *S3) create(ctx context.Context, options S3Options) (err error) {
	if s.binary, err = BuildVersityGW(ctx); err != nil {
		return err
	}
	base, err := os.MkdirTemp(options.Dir, "binlogproxy-s3-")
	if err != nil {
		return err
	}
	s.dir = filepath.Join(base, "buckets")
	for _, dir := range []string{s.dir, filepath.Join(s.dir, S3Bucket), s.sidecar()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if s.port, s.release, err = ReservePort(); err != nil {
		return err
	}
	return s.Start(ctx)
}

// sidecar is where metadata goes on file systems without extended attributes. Its
// path must not begin with that of the buckets.
func (s *S3) sidecar() string { return filepath.Join(s.Dir(), "metadata") }

// args are versitygw's. Only what is on the data's file system counts as its own.
func (s *S3) args() []string {
	args := []string{"--port", s.Addr(), "--region", s3Region, "--quiet", "posix"}
	if syscall.Setxattr(s.dir, "user.testenv", []byte("1"), 0) != nil {
		args = append(args, "--sidecar", s.sidecar())
	}
	return append(args, s.dir)
}

// Start starts the server again, after Kill, and returns when it answers.
func (s *S3) Start(ctx context.Context) error {
	cmd := exec.Command(s.binary, s.args()...)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+s.accessKey, "ROOT_SECRET_ACCESS_KEY="+s.secretKey)
	if s.keep {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // and no log: a pipe would end with this process
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.Stdout, cmd.Stderr = (*s3Log)(s), (*s3Log)(s)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its result is in cmd.ProcessState
		close(done)
	}()
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	return s.waitReady(ctx, done)
}

func (s *S3) waitReady(ctx context.Context, done chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", s.Addr())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-done:
			return fmt.Errorf("the S3 server has ended:\n%s", s.Log())
		case <-ctx.Done():
			return fmt.Errorf("the S3 server does not answer: %w\n%s", context.Cause(ctx), s.Log())
		case <-time.After(pollInterval):
		}
	}
}

// Kill ends the server with SIGKILL. Objects that it has answered for stay.
func (s *S3) Kill() error { return s.signal(syscall.SIGKILL, true) }

// Pause freezes the server: connections stay open and nothing answers.
func (s *S3) Pause() error { return s.signal(syscall.SIGSTOP, false) }

// Unpause undoes Pause.
func (s *S3) Unpause() error { return s.signal(syscall.SIGCONT, false) }

func (s *S3) signal(signal syscall.Signal, wait bool) error {
	s.mu.Lock()
	cmd, done := s.cmd, s.done
	s.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if wait {
		<-done
	}
	return nil
}

// Close ends the server and removes its objects. It may be called again.
func (s *S3) Close() error {
	err := s.Kill()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.Dir()))
	}
	s.release()
	return err
}

// PID is the process id of the server; 0 before the first start.
func (s *S3) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Addr is host:port.
func (s *S3) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is that of the bucket below a prefix; "" = all of it.
func (s *S3) URL(prefix string) string { return s.URLAt(s.Addr(), prefix) }

// URLAt is URL at another address, host:port, which leads to the server.
func (s *S3) URLAt(addr, prefix string) string {
	return "s3://" + S3Bucket + "/" + prefix + "?endpoint=http://" + addr + "&region=" + s3Region
}

// Env is what a process needs in its environment to use URL.
func (s *S3) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.accessKey, "AWS_SECRET_ACCESS_KEY=" + s.secretKey,
		"AWS_SESSION_TOKEN=", "AWS_EC2_METADATA_DISABLED=true",
	}
}

// Dir is the directory that Close removes.
func (s *S3) Dir() string { return filepath.Dir(s.dir) }

// BucketDir is the directory whose files are the bucket's objects, for whoever wants
// to damage them.
func (s *S3) BucketDir() string { return filepath.Join(s.dir, S3Bucket) }

// Credentials are those of Env.
func (s *S3) Credentials() credentials.Provider {
	return &credentials.Static{Value: credentials.Value{
		AccessKeyID: s.accessKey, SecretAccessKey: s.secretKey, SignerType: credentials.SignatureV4,
	}}
}

// Open opens the bucket below a prefix. Whoever calls it calls Close of the store.
func (s *S3) Open(prefix string) (*s3.Store, error) { return s.OpenAt(s.Addr(), prefix) }

// OpenAt is Open at another address, host:port, which leads to the server.
func (s *S3) OpenAt(addr, prefix string) (*s3.Store, error) {
	bucket, err := s3.ParseURL(s.URLAt(addr, prefix), func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	return s3.Open(bucket, s3.Options{Credentials: s.Credentials()})
}

// Log is what the server has written.
func (s *S3) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// s3Log collects it.
type s3Log S3

func (l *s3Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}
