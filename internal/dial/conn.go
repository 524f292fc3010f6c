package dial

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
)

// Conn is a logged-in connection. One goroutine at a time uses it.
type Conn struct {
	options Options
	client  *client.Conn
	raw     net.Conn // what the dialer gave, below TLS; closed beside other calls
}

// Open connects and logs in. The error is an *UnreachableError, a *DeniedError, an
// *UntrustedError, a *StatementError, or that of ctx.
func Open(ctx context.Context, options Options) (*Conn, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, options.timeout())
	defer cancel()
	l := &login{options: &options}
	c, err := l.run(ctx)
	switch {
	case err == nil:
		return &Conn{options: options, client: c, raw: l.raw}, nil
	case parent.Err() != nil:
		return nil, parent.Err()
	case l.untrusted != nil:
		return nil, &UntrustedError{Addr: options.Addr, Err: l.untrusted}
	case l.raw == nil:
		return nil, options.loginError("connect", err)
	case ctx.Err() != nil:
		return nil, options.loginError("login", fmt.Errorf("no answer within %s", options.timeout()))
	}
	return nil, options.loginError("login", err)
}

// ServerVersion is what the server's greeting said.
func (c *Conn) ServerVersion() string { return c.client.GetServerVersion() }

// ID is the connection's id at the server.
func (c *Conn) ID() uint32 { return c.client.GetConnectionID() }

// TLS is the version and the cipher that protect the connection; "off" without TLS.
func (c *Conn) TLS() string {
	secured, ok := c.client.Conn.Conn.(*tls.Conn)
	if !ok {
		return "off"
	}
	state := secured.ConnectionState()
	return tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
}

// CertificateEnd is when the server's certificate expires; zero without TLS.
func (c *Conn) CertificateEnd() time.Time {
	secured, ok := c.client.Conn.Conn.(*tls.Conn)
	if !ok || len(secured.ConnectionState().PeerCertificates) == 0 {
		return time.Time{}
	}
	return secured.ConnectionState().PeerCertificates[0].NotAfter
}

// Close breaks the connection off, without COM_QUIT: it may be called in any
// state, and beside a call that waits.
func (c *Conn) Close() error { return c.raw.Close() }

// Result is the answer to a statement, as text. NULL is the empty string.
type Result struct {
	Columns []string
	Rows    [][]string
}

// Query runs one statement and returns its rows; of a statement without any,
// an empty Result. After an *UnreachableError or an error of ctx the connection
// is of no more use.
func (c *Conn) Query(ctx context.Context, statement string) (Result, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, c.options.timeout())
	defer cancel()
	stop := context.AfterFunc(ctx, func() { expire(c.raw) })
	var result Result
	err := protect(func() error {
		r, err := c.client.Execute(statement)
		if err != nil {
			return err
		}
		defer r.Close()
		result, err = textResult(r)
		return err
	})
	if !stop() {
		if parent.Err() != nil {
			return Result{}, parent.Err()
		}
		return Result{}, c.options.statementError(statement, fmt.Errorf("no answer within %s", c.options.timeout()))
	}
	if err != nil {
		err = c.options.statementError(statement, err)
		if Number(err) == 0 { // it may have asked for a file of ours, or want anything else
			c.Close()
		}
		return Result{}, err
	}
	return result, nil
}

// expire makes every call that waits for conn return at once.
func expire(conn net.Conn) { _ = conn.SetDeadline(time.Unix(1, 0)) }

// protect turns a panic of go-mysql's decoders, which do not check the lengths
// that a server claims, into an error.
func protect(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the answer is not that of a MySQL server: %v", r)
		}
	}()
	return f()
}
