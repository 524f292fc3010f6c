package dial

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/go-mysql-org/go-mysql/client"
)

// login is one attempt to log in: go-mysql's, with what we put around it.
type login struct {
	options   *Options
	tls       *tls.Config // nil: without
	raw       net.Conn    // what the dialer gave; nil before
	stop      func() bool // ends the watch over raw
	untrusted error       // why we gave the server up, where it was us
}

func (l *login) run(ctx context.Context) (*client.Conn, error) {
	var err error
	if l.tls, err = l.options.TLS.config(l.options.Addr, &l.untrusted); err != nil {
		return nil, err
	}
	var c *client.Conn
	err = protect(func() (err error) {
		c, err = client.ConnectWithDialer(ctx, "", l.options.Addr, l.options.User, l.options.Password.Reveal(), "", l.dial, l.configure)
		return err
	})
	// A deadline that was reached after the login has already spoilt the connection.
	if l.stop != nil && !l.stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil && l.raw != nil {
		l.raw.Close()
	}
	if err != nil && l.tls != nil && strings.Contains(err.Error(), alert) {
		l.untrusted = fmt.Errorf("the server refuses TLS with us%s: %w", l.options.TLS.shown(), l.options.withoutSecret(err))
	}
	return c, err
}

// alert stands in the error of a connection that the server has ended by a TLS
// alert. go-mysql keeps no more of it than the text; with TLS 1.3 it comes behind
// the handshake.
const alert = "remote error: tls: "

// dial opens the connection and reads the greeting, which decides about TLS.
func (l *login) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := l.options.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l.raw = conn
	l.stop = context.AfterFunc(ctx, func() { expire(conn) })
	g, err := newGuard(conn, &l.untrusted)
	if err != nil {
		return nil, err
	}
	if g.isGreeting && !g.offersTLS && l.tls != nil {
		if l.options.TLS.Mode != SSLPreferred {
			l.untrusted = fmt.Errorf("it offers no TLS, or who stands in between hides that it does, and ssl-mode is %s: nothing was sent", l.options.TLS.Mode)
			return nil, l.untrusted
		}
		l.tls = nil
	}
	g.passive = l.tls != nil || !exposed(conn)
	return g, nil
}

// configure is called behind dial.
func (l *login) configure(c *client.Conn) error {
	c.SetAttributes(l.options.Attributes)
	if l.tls != nil {
		c.SetTLSConfig(l.tls)
	}
	return nil
}

// exposed says that others can read a connection, as far as its address tells.
func exposed(conn net.Conn) bool {
	addr, tcp := conn.RemoteAddr().(*net.TCPAddr)
	return tcp && !addr.IP.IsLoopback()
}
