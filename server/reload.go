package server

// settings are what may be exchanged while a server runs. They do not change; a
// login keeps the ones that it began with.
type settings struct {
	accounts *Accounts
	tls      *TLS // nil: not offered
}

// Reload exchanges the accounts and TLS for every login that begins from now on.
// Sessions that are there go on as they are, unless their account is gone or has
// another password or other privileges: those end when their command is answered,
// their dumps between two whole events, with FIN and without an error.
func (s *Server) Reload(accounts *Accounts, tls *TLS) {
	s.settings.Store(&settings{accounts, tls})
	s.sessions.each(func(sess *session) {
		if account, loggedIn := s.sessions.account(sess); loggedIn && !accounts.hold(account) {
			sess.end(errAccountChanged)
		}
	})
}

// SetMaxConnections exchanges Options.MaxConnections for every login that begins from
// now on. Sessions that are there go on, also beyond it.
func (s *Server) SetMaxConnections(n int) { s.sessions.allow(n) }
