package server

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// offered are the capabilities of the greeting, beside TLS where it is configured.
// Not among them are compression, which is not spoken, LOCAL_FILES, and QUERY_ATTRIBUTES, which
// no client needs and which would put a block in front of each statement.
const offered = wire.CapLongPassword | wire.CapFoundRows | wire.CapLongFlag | wire.CapConnectWithDB | wire.CapNoSchema |
	wire.CapODBC | wire.CapIgnoreSpace | wire.CapProtocol41 | wire.CapInteractive | wire.CapIgnoreSIGPIPE |
	wire.CapTransactions | wire.CapReserved | wire.CapSecureConnection | wire.CapMultiResults | wire.CapPluginAuth |
	wire.CapConnectAttrs | wire.CapPluginAuthLenenc | wire.CapDeprecateEOF

// login greets and authenticates within LoginTimeout. It reports whether commands
// may follow; if not, the client has been told what it may know.
func (s *session) login(ctx context.Context) bool {
	id, known := s.server.opts.Upstream.Identity()
	if !known {
		s.log.Debug("no greeting: nothing is known of the source yet")
		s.server.counters.notReady.Add(1)
		return false
	}
	deadline := time.Now().Add(s.server.opts.LoginTimeout)
	s.nc.endWritesAt(deadline)
	_ = s.nc.SetReadDeadline(deadline)
	if ctx.Err() != nil { // interrupt may have come before the deadlines
		return false
	}
	keyCtx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	settings := s.server.settings.Load()
	guess := guardedLogin{session: s, ctx: keyCtx, accounts: settings.accounts, deadline: deadline.Add(-s.server.opts.LoginTimeout / 4)}
	l := wire.ServerLogin{
		Greeting:   s.greeting(id),
		Accounts:   &guess,
		RSAKey:     s.server.keys.get(keyCtx),
		Random:     s.server.opts.Rand,
		ClientHost: s.clientHost,
		Proved:     guess.proved,
	}
	if t := settings.tls; t != nil {
		l.StartTLS = func() (net.Conn, error) {
			s.server.sessions.heard(s)
			return s.startTLS(t)
		}
		l.RequireTLS = t.mode != TLSOptional
	}
	who, err := l.Run(s.conn)
	guess.ended(err)
	if err != nil {
		s.loginFailed(ctx, err, guess.refused)
		return false
	}
	s.log.Debug("logged in", "plugin", who.Plugin, "tls", s.nc.secured != nil, "program", who.Attributes.Get("program_name"))
	s.nc.endWritesAt(time.Time{})
	return ctx.Err() == nil // interrupt may have come before endWritesAt
}

// startTLS does the handshake, within the deadlines of the login.
func (s *session) startTLS(t *TLS) (net.Conn, error) {
	secured := newTLSConn(s.nc, t.config)
	if err := secured.Handshake(); err != nil {
		return nil, err
	}
	s.nc.secured = secured
	return secured, nil
}

func (s *session) greeting(id Identity) wire.Greeting {
	g := wire.Greeting{
		ServerVersion: id.Version,
		ConnectionID:  s.id,
		Capabilities:  offered,
		Collation:     defaultCollation(id).byte(),
		Status:        wire.StatusAutocommit,
		Plugin:        wire.CachingSHA2Password,
	}
	if s.server.opts.NativeFirst {
		g.Plugin = wire.NativePassword
	}
	return g
}

// takePlace counts the session as logged in. That comes before its OK: a client that has
// read its own must not see one more let in beyond the limit. An error says why not.
func (s *session) takePlace(who *wire.Authenticated, account Account) error {
	s.loggedInAs(who, account) // before promote shows the account to Reload
	if !s.server.sessions.promote(s) {
		return tooManyConnections()
	}
	if !s.server.settings.Load().accounts.hold(account) { // Reload may have come before promote
		return errAccountChanged
	}
	return nil
}

func (s *session) loggedInAs(who *wire.Authenticated, account Account) {
	s.account = account
	s.caps, s.database = who.Capabilities, who.Database
	s.collation = collationOf(uint16(who.Collation), s.identity())
	s.setStatus(func(p *sessionStatus) { p.user, p.database = who.User, who.Database })
	s.log = s.log.With("connection", s.id, "user", who.User)
	s.mysqld = who.Attributes.Get("program_name") == "mysqld"
}

// loginFailed counts and logs why a login ended.
func (s *session) loginFailed(ctx context.Context, err error, throttled bool) {
	c := &s.server.counters
	var refusal *wire.Error
	var handshake *wire.TLSError
	switch {
	case errors.As(err, &refusal) && throttled:
		c.authThrottled.Add(1)
		s.log.Warn("login refused without a look at its password: too many have failed before")
	case errors.As(err, &refusal) && refusal.Number == wire.ERSecureTransportRequired:
		c.authInsecure.Add(1)
		s.log.Warn("login refused", "err", "the client does not use TLS, which is required here")
	case errors.As(err, &refusal) && refusal.Number == wire.ERConCount:
		c.refused.Add(1)
		s.log.Warn("login refused", "err", refusal.Message)
	case errors.As(err, &refusal):
		c.authDenied.Add(1)
		s.log.Warn("login refused", "err", refusal.Message)
	case context.Cause(ctx) != nil || errors.Is(err, errAccountChanged):
		c.authEnded.Add(1)
	case errors.Is(err, wire.ErrUnproved):
		c.authDenied.Add(1)
		s.log.Warn("login broken off by the client when its password was wrong")
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.authTimeout.Add(1)
		s.log.Info("login took too long", "limit", s.server.opts.LoginTimeout)
	case errors.As(err, &handshake):
		c.authTLS.Add(1)
		s.log.Warn("login failed", "err", err)
	default:
		c.authProtocol.Add(1)
		s.log.Debug("login failed", "err", err)
	}
}

// guardedLogin looks up accounts for one login, and lets the guard slow it down.
type guardedLogin struct {
	session  *session
	ctx      context.Context
	accounts *Accounts
	deadline time.Time // for the guard

	attempt *attempt // nil: may not be judged, or has been
	refused bool     // by the guard: what follows is a pretence
}

// Lookup implements wire.Accounts. It blocks while the guard wants that. A login that
// may not be judged goes on like one of an unknown user.
func (g *guardedLogin) Lookup(user string) (wire.Account, bool) {
	s := g.session
	s.server.sessions.heard(s)
	var waited bool
	if g.attempt, waited = s.server.guard.admit(g.ctx, user, s.clientHost, g.deadline); waited {
		s.server.counters.delayed.Add(1)
	}
	if g.refused = g.attempt == nil; g.refused {
		return wire.Account{}, false
	}
	return g.accounts.Lookup(user)
}

// proved tells the guard so, whatever comes of the login, and takes its place.
func (g *guardedLogin) proved(who *wire.Authenticated) error {
	g.attempt.succeeded()
	g.attempt = nil
	return g.session.takePlace(who, g.accounts.byUser[who.User])
}

// ended tells the guard how a login went that was not proved.
func (g *guardedLogin) ended(err error) {
	var refusal *wire.Error
	switch {
	case g.attempt == nil:
	case errors.As(err, &refusal) || errors.Is(err, wire.ErrUnproved):
		g.attempt.failed()
	default:
		g.attempt.abandoned()
	}
}
