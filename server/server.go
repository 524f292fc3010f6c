package server

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// Server is a fake primary for one source. Its methods are safe for concurrent use.
type Server struct {
	opts     Options
	settings atomic.Pointer[settings]
	started  time.Time
	sessions sessions
	dumps    dumps
	counters counters
	keys     keyring
	guard    *loginGuard

	ctx  context.Context // parent of every session's; stored because Serve, Shutdown and Close share it
	stop context.CancelCauseFunc
	wg   sync.WaitGroup // sessions and the maker of the RSA key

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
}

// New returns a server that does not listen yet. It begins to make the RSA key
// with which clients without TLS hide their passwords; Close joins that.
func New(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, started: opts.Now(), listeners: make(map[net.Listener]struct{})}
	s.guard = newLoginGuard(time.Now)
	s.settings.Store(&settings{opts.Accounts, opts.TLS})
	s.sessions.init(opts.MaxConnections, opts.MaxPending)
	s.keys.done = make(chan struct{})
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.wg.Go(s.keys.make)
	return s, nil
}

// keyring holds the RSA key once it is made.
type keyring struct {
	done chan struct{}
	key  *wire.RSAKey
	err  error
}

func (k *keyring) make() {
	defer close(k.done)
	k.key, k.err = wire.GenerateRSAKey()
}

// get waits for the key, nil when there is none.
func (k *keyring) get(ctx context.Context) *wire.RSAKey {
	select {
	case <-k.done:
		return k.key
	case <-ctx.Done():
		return nil
	}
}

// Serve accepts connections on ln until Shutdown or Close, and closes ln. It
// returns ErrClosed then, else why accepting failed for good.
func (s *Server) Serve(ln net.Listener) error {
	if !s.addListener(ln) {
		return errors.Join(ErrClosed, ln.Close())
	}
	defer s.removeListener(ln)
	for delay := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case s.ctx.Err() != nil:
			if err == nil {
				_ = nc.Close() // nobody has seen it yet
			}
			return ErrClosed
		case err == nil:
			delay = 0
			s.start(nc)
		case errors.Is(err, net.ErrClosed):
			return ErrClosed
		default: // such as "too many open files", which passes
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.opts.Logger.Warn("accept failed", "err", err, "retry_in", delay)
			s.pause(delay)
		}
	}
}

func (s *Server) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

func (s *Server) addListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) removeListener(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
	_ = ln.Close() // closed by Shutdown already, or of no more use
}

// start runs a session for a new connection, unless the server has ended. The one that
// gives way to it is waited for: a flood cannot run ahead of what it costs.
func (s *Server) start(nc net.Conn) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = nc.Close() // nobody has seen it yet
		return
	}
	ctx, end := context.WithCancelCause(s.ctx)
	sess := newSession(s, nc, end)
	victim := s.sessions.add(sess)
	s.wg.Go(func() { sess.run(ctx) })
	s.mu.Unlock()
	if victim != nil {
		s.counters.evicted.Add(1)
		victim.end(errEvicted)
		_ = victim.nc.Close()
		<-victim.gone
	}
}

// Shutdown stops listening, ends every session when its command is answered and
// every dump between two whole events, and waits until all are gone. When ctx ends
// first, what is left is closed at once and ctx's error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for ln := range s.listeners {
		_ = ln.Close() // Serve returns and closes it again
	}
	s.mu.Unlock()
	s.stop(ErrClosed)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		s.wg.Wait()
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	s.sessions.each(func(sess *session) { _ = sess.nc.Close() })
	<-gone
	return ctx.Err()
}

// Close is a Shutdown that waits for nobody.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
