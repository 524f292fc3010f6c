package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/atomicfile"
	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replica"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/server"
)

// source is one followed primary: its log, its receiver and its server. Its
// fields are set by openSource and not changed; ready and stopped are written by
// the goroutine in follow and read by all.
type source struct {
	config   config.Source
	logger   *slog.Logger
	log      *archive.Log
	upstream *upstream
	receiver *replica.Replica
	server   *server.Server // nil when listening is off
	listener net.Listener

	ready   atomic.Bool           // it has been received from, once
	stopped atomic.Pointer[error] // why it stopped for good
}

// openSource opens the log, which may take a recovery, and the listener. Nothing
// is received or served yet.
func openSource(ctx context.Context, c config.Source, dataDir, serverUUID string, logger *slog.Logger, onSync func(time.Duration)) (_ *source, err error) {
	s := &source{config: c, logger: logger.With("source", c.Name)}
	dir := filepath.Join(dataDir, c.Name)
	if s.log, err = archive.Open(ctx, archive.Options{Dir: dir, Logger: s.logger.With("component", "archive"), OnSync: onSync}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.Background()))
		}
	}()
	if s.upstream, err = openUpstream(dir, c.AdvertiseVersion, s.logger); err != nil {
		return nil, err
	}
	if err = s.openReceiver(serverUUID); err != nil {
		return nil, err
	}
	return s, s.openServer(dir)
}

func (s *source) openReceiver(serverUUID string) error {
	password, err := s.config.Password.Read()
	if err != nil {
		return &usageError{fmt.Errorf("source %s: %w", s.config.Name, err)}
	}
	if err := s.config.TLS().Check(); err != nil {
		return &usageError{fmt.Errorf("source %s: %w", s.config.Name, err)}
	}
	options := dial.Options{
		Addr: s.config.Address, User: s.config.User, Password: dial.Secret(password), ConnectTimeout: s.config.ConnectTimeout, TLS: s.config.TLS(),
	}
	s.receiver, err = replica.New(replica.Options{
		Source: options, ServerID: s.config.ServerID, ServerUUID: serverUUID, ReportHost: s.config.ReportHost,
		HeartbeatPeriod: s.config.Heartbeat, From: s.config.From, OnGap: replica.OnGap(s.config.OnGap), BackoffMax: s.config.ReconnectMax,
		Sink: s.log, Logger: s.logger.With("component", "replica"),
		OnReady: func() { s.ready.Store(true) },
		OnSource: func(ctx context.Context, info replica.SourceInfo) error {
			if err := s.bind(info); err != nil {
				return err
			}
			return s.upstream.learn(ctx, info, options)
		},
	})
	if err != nil {
		return &usageError{fmt.Errorf("source %s: %w", s.config.Name, err)}
	}
	return nil
}

// bind lets the log check that the source is the server whose history it holds.
func (s *source) bind(info replica.SourceInfo) error {
	id := archive.Identity{Flavor: info.Flavor, ServerID: info.ServerID}
	if info.ServerUUID != "" {
		var err error
		if id.ServerUUID, err = replication.ParseUUID(info.ServerUUID); err != nil {
			return fmt.Errorf("the source's server_uuid: %w", err)
		}
	}
	return s.log.Bind(id)
}

func (s *source) openServer(dir string) error {
	if s.config.Listen == config.Off {
		return nil
	}
	accounts, err := openAccounts(filepath.Join(dir, "accounts.json"), s.config.Accounts)
	if disk := (*server.AccountsFileError)(nil); errors.As(err, &disk) {
		return fmt.Errorf("source %s: %w", s.config.Name, err)
	}
	if err != nil {
		return &usageError{fmt.Errorf("source %s: %w", s.config.Name, err)}
	}
	listenTLS, err := loadTLS(s.config.ListenTLS)
	if err != nil {
		return &usageError{fmt.Errorf("source %s: listen-tls: %w", s.config.Name, err)}
	}
	if s.listener, err = net.Listen("tcp", s.config.Listen); err != nil {
		return fmt.Errorf("source %s: %w", s.config.Name, err)
	}
	s.server, err = server.New(server.Options{
		Upstream: s.upstream, Log: s.log, Accounts: accounts, TLS: listenTLS, NativeFirst: s.config.AuthPlugin == wire.NativePassword, MaxConnections: s.config.MaxConnections,
		Logger: s.logger.With("component", "server"),
	})
	return err
}

// openAccounts turns passwords into verifiers; an account without a password
// keeps the verifiers that are stored.
func openAccounts(path string, configured []config.Account) (*server.Accounts, error) {
	var accounts []server.Account
	for _, c := range configured {
		if !c.Password.Set() {
			accounts = append(accounts, server.KeptAccount(c.User, server.ReplicationSlave))
			continue
		}
		password, err := c.Password.Read()
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", c.User, err)
		}
		a, err := server.NewAccount(c.User, []byte(password), server.ReplicationSlave)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	return server.OpenAccounts(path, accounts)
}

// loadTLS reads the files of a listener; nil where TLS is off.
func loadTLS(c config.ListenTLS) (*server.TLS, error) {
	if c.Mode == config.Off {
		return nil, nil
	}
	return server.LoadTLS(server.TLSMode(c.Mode), server.TLSFiles{Cert: c.CertFile, Key: c.KeyFile, ClientCA: c.ClientCAFile})
}

// follow receives until ctx ends or the source stops for good, be it that the log
// has stopped by itself while the source was silent.
func (s *source) follow(ctx context.Context) error {
	receiving, cancel := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { s.watchLog(receiving, cancel) })
	err := s.receiver.Run(receiving)
	if cause := context.Cause(receiving); cause != nil {
		err = cause
	}
	cancel(nil)
	watcher.Wait()
	if err != nil && ctx.Err() == nil {
		s.stopped.Store(&err)
		return err
	}
	return nil
}

// watchLog ends the receiver when the log has stopped.
func (s *source) watchLog(ctx context.Context, end func(error)) {
	for {
		changed := s.log.Changed()
		if err := s.log.State().Stopped; err != nil {
			end(err)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// serverStats are the server's counters; zero when listening is off.
func (s *source) serverStats() server.Stats {
	if s.server == nil {
		return server.Stats{}
	}
	return s.server.Stats()
}

// stopError is why the source stopped for good, nil while it has not.
func (s *source) stopError() error {
	if err := s.stopped.Load(); err != nil {
		return *err
	}
	return nil
}

// close drains the server, as long as ctx allows, and closes the log.
func (s *source) close(ctx context.Context) error {
	var errs []error
	if s.server != nil {
		if err := s.server.Shutdown(ctx); err != nil {
			s.logger.Warn("downstreams did not take what was left in time and were cut", "err", err)
		}
	}
	if s.listener != nil {
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.log.Close())...)
}

// ourUUID is the server_uuid under which this daemon is known to its sources. It
// is made once and kept in the data directory.
func ourUUID(dataDir string) (string, error) {
	path := filepath.Join(dataDir, "server-uuid")
	b, err := os.ReadFile(path)
	if err == nil {
		id, err := replication.ParseUUID(strings.TrimSpace(string(b)))
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return id.String(), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var id replication.UUID
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4, RFC 9562
	return id.String(), atomicfile.Replace(path, []byte(id.String()+"\n"))
}
