package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server"
)

// listener is one turn of listening for downstreams.
type listener struct {
	settings settings // that it was opened with
	server   *server.Server
	socket   net.Listener
	logger   *slog.Logger
	accept   sync.WaitGroup
}

// listen opens the listener and serves from the log.
func listen(s settings, accountsFile string, log *archive.Log, upstream server.Upstream, logger *slog.Logger) (*listener, error) {
	accounts, err := openAccounts(accountsFile, s.accounts)
	if err != nil {
		return nil, err
	}
	l := &listener{settings: s, logger: logger}
	if l.socket, err = net.Listen("tcp", s.Listen); err != nil {
		return nil, err
	}
	l.server, err = server.New(server.Options{
		Upstream: upstream, Log: log, Accounts: accounts, TLS: s.tls, NativeFirst: s.AuthPlugin == wire.NativePassword, MaxConnections: s.MaxConnections,
		Logger: logger.With("component", "server"),
	})
	if err != nil {
		return nil, errors.Join(err, l.socket.Close())
	}
	logger.Info("serving", "listen", l.address())
	l.accept.Go(func() {
		if err := l.server.Serve(l.socket); !errors.Is(err, server.ErrClosed) {
			logger.Error("no more downstreams are accepted", "err", err)
		}
	})
	return l, nil
}

func (l *listener) address() string { return l.socket.Addr().String() }

// close lets downstreams read what is left for them, as long as ctx allows.
func (l *listener) close(ctx context.Context) {
	if err := l.server.Shutdown(ctx); err != nil {
		l.logger.Warn("downstreams did not take what was left in time and were cut", "err", err)
	}
	l.accept.Wait()
}

// accountsFile is where a source keeps the verifiers of its accounts.
func accountsFile(sourceDir string) string { return filepath.Join(sourceDir, "accounts.json") }

// openAccounts gives accounts without a password the verifiers that are kept. Its
// error is a usageError where the operator has to act.
func openAccounts(path string, configured []server.Account) (*server.Accounts, error) {
	accounts, err := server.OpenAccounts(path, configured)
	if disk := (*server.AccountsFileError)(nil); err == nil || errors.As(err, &disk) {
		return accounts, err
	}
	return nil, &usageError{err}
}
