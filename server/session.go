package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// maxCommand is the longest command, in bytes. GTID sets can be large; memory
// grows only as they arrive.
const maxCommand = 16<<20 - 1

// session is one connection, from its greeting to its end. Its own goroutine runs
// it; other goroutines use only what is marked.
type session struct {
	server *Server
	nc     *clientConn
	conn   *wire.Conn // over nc
	log    *slog.Logger

	// end stops the session, with the reason. Any goroutine may call it.
	end context.CancelCauseFunc

	id       uint32 // set before other goroutines see the session
	refused  bool   // there is no room for another login; like id
	loggedIn bool   // guarded by sessions.mu
	spoke    bool   // it has sent its first packet; guarded by sessions.mu
	gone     chan struct{}

	// Since the login, then constant.
	account    Account
	clientHost string
	caps       wire.Capabilities

	database  string
	collation collation // that results are said to be in
	settings  map[string]string
	variables userVariables
	mysqld    bool          // the client is the replica thread of a MySQL server, by its connection attributes
	progress  *dumpProgress // of the dump that this session runs
	quit      bool          // after this command

	mu  sync.Mutex // guards pub
	pub sessionStatus
}

// sessionStatus is what other goroutines may know of a session.
type sessionStatus struct {
	user        string
	host        string // with port
	database    string
	command     string // as in SHOW PROCESSLIST
	since       time.Time
	replicaUUID string
	registered  *wire.RegisterReplica
}

// newSession prepares a session; end cancels the context that its run will get.
func newSession(server *Server, nc net.Conn, end context.CancelCauseFunc) *session {
	s := &session{server: server, nc: newClientConn(nc, server.opts.WriteTimeout), end: end, settings: make(map[string]string),
		gone: make(chan struct{})}
	s.conn = wire.NewConn(s.nc)
	s.pub = sessionStatus{host: nc.RemoteAddr().String(), command: "Connect", since: server.opts.Now(), user: "unauthenticated user"}
	s.clientHost = s.pub.host
	if host, _, err := net.SplitHostPort(s.pub.host); err == nil {
		s.clientHost = host
	}
	s.log = server.opts.Logger.With("client", s.pub.host)
	return s
}

// run is the session's goroutine.
func (s *session) run(ctx context.Context) {
	defer close(s.gone)
	defer s.end(nil)
	defer s.server.sessions.remove(s) // before its login it counts until it is closed
	defer s.hangUp(ctx)
	// Ends reads and writes that are under way. Running commands see the context.
	release := context.AfterFunc(ctx, func() { s.interrupt(context.Cause(ctx)) })
	defer release()
	s.server.counters.connections.Add(1)
	if s.refused {
		s.server.counters.refused.Add(1)
		e := tooManyConnections()
		e.State = "" // the client has not said yet that it knows SQLSTATEs
		s.fail(e)
		return
	}
	defer s.server.sessions.leave(s) // whoever sees the end may come again at once
	if s.login(ctx) {
		s.serve(ctx)
	}
}

// hangUp ends the connection. One that gave way to others is not waited for, or a
// flood would pile up here.
func (s *session) hangUp(ctx context.Context) {
	if errors.Is(context.Cause(ctx), errEvicted) {
		_ = s.nc.Close()
		return
	}
	s.nc.hangUp()
}

// stopGrace is how long a write may still take after Shutdown: enough for the
// events that a dump has begun to send to a client that reads.
const stopGrace = 5 * time.Second

func (s *session) interrupt(cause error) {
	grace := stopGrace
	if errors.Is(cause, errKilled) {
		grace = 0
	}
	s.nc.endWritesAt(time.Now().Add(grace))
	_ = s.nc.SetReadDeadline(time.Unix(1, 0))
}

// serve answers commands until the client or the server has had enough.
func (s *session) serve(ctx context.Context) {
	for !s.quit {
		s.setStatus(func(p *sessionStatus) { p.command, p.since = "Sleep", s.server.opts.Now() })
		payload, err := s.readCommand(ctx)
		if err != nil {
			s.readFailed(ctx, err)
			return
		}
		if err := s.command(ctx, payload); err != nil {
			s.log.Debug("connection lost", "err", err)
			return
		}
	}
}

func (s *session) readCommand(ctx context.Context) ([]byte, error) {
	s.conn.ResetSequence()
	_ = s.nc.SetReadDeadline(time.Now().Add(s.waitTimeout()))
	if ctx.Err() != nil { // interrupt may have come before the deadline
		return nil, context.Cause(ctx)
	}
	return s.conn.ReadPacket(maxCommand)
}

// clearReadDeadline lets reads take as long as they may. It reports false when the
// session has been ended meanwhile.
func (s *session) clearReadDeadline(ctx context.Context) bool {
	_ = s.nc.SetReadDeadline(time.Time{})
	if ctx.Err() != nil { // interrupt may have come before
		return false
	}
	return true
}

// readFailed tells the client what is wrong with its packet, if it can be told.
func (s *session) readFailed(ctx context.Context, err error) {
	var tooLarge *wire.PacketTooLargeError
	var sequence *wire.SequenceError
	switch {
	case ctx.Err() != nil || errors.Is(err, io.EOF):
	case errors.As(err, &tooLarge):
		s.fail(wire.Errorf(wire.ERNetPacketTooLarge, "Got a packet bigger than 'max_allowed_packet' bytes"))
	case errors.As(err, &sequence):
		s.fail(wire.Errorf(wire.ERNetPacketsOutOfOrder, "Got packets out of order"))
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.log.Info("closing an idle connection", "user", s.account.User, "wait_timeout", s.waitTimeout())
	default:
		s.log.Debug("connection lost", "err", err)
	}
}

// fail sends an error as the last packet.
func (s *session) fail(e *wire.Error) {
	if err := s.send(e.Append(nil)); err != nil {
		s.log.Debug("could not send an error", "err", err, "error", e)
	}
}

// send writes one packet and flushes.
func (s *session) send(payload []byte) error {
	if err := s.conn.WritePacket(payload); err != nil {
		return err
	}
	return s.conn.Flush()
}

func (s *session) ok() error {
	ok := wire.OK{Status: s.status()}
	return s.send(ok.Append(nil, s.caps))
}

// answer sends e, or OK when it is nil.
func (s *session) answer(e *wire.Error) error {
	if e != nil {
		return s.send(e.Append(nil))
	}
	return s.ok()
}

func (s *session) identity() Identity {
	id, _ := s.server.opts.Upstream.Identity() // known since the greeting
	return id
}

func (s *session) setStatus(change func(*sessionStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.pub)
}

func (s *session) published() sessionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pub
}
