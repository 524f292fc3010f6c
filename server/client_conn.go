package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// clientConn is the connection of one client with the server's rules for writing
// and ending. Reads go through unchanged; their deadline is the session's matter.
//
// A write may take as long as it makes progress: like mysqld's net_write_timeout,
// the timeout begins anew whenever the client has taken some bytes. That is what
// ends a client that never reads.
type clientConn struct {
	net.Conn
	timeout atomic.Int64 // time.Duration without progress of a write
	secured *tlsConn     // around this, if the client asked for TLS; the session's own goroutine sets it, during the login

	mu  sync.Mutex
	end time.Time // no write goes on beyond; zero: no such time
}

func newClientConn(nc net.Conn, timeout time.Duration) *clientConn {
	c := &clientConn{Conn: nc}
	c.timeout.Store(int64(timeout))
	return c
}

// Write implements net.Conn. One goroutine at a time may call it.
func (c *clientConn) Write(p []byte) (int, error) {
	total := 0
	for {
		last := c.setWriteDeadline()
		n, err := c.Conn.Write(p[total:])
		total += n
		if n == 0 || last || !errors.Is(err, os.ErrDeadlineExceeded) {
			return total, err
		}
	}
}

// setWriteDeadline prepares one attempt and reports whether there is none after it.
func (c *clientConn) setWriteDeadline() (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Now().Add(time.Duration(c.timeout.Load()))
	if last = !c.end.IsZero(); last && c.end.Before(at) {
		at = c.end
	}
	_ = c.SetWriteDeadline(at) // fails only on a closed connection, as the write will
	return last
}

// endWritesAt stops a write that is under way and every later one at a time. The
// zero time takes that back.
func (c *clientConn) endWritesAt(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = t
	_ = c.SetWriteDeadline(t)
}

// lingerTime is how long a client may take to close its side after we have closed
// ours. Replicas do so at once.
const lingerTime = time.Second

// closeWrite sends FIN, inside TLS behind its own end, and bounds what may be read
// after it.
func (c *clientConn) closeWrite() {
	if c.secured != nil {
		c.endWritesAt(time.Now().Add(lingerTime))
		_ = c.secured.CloseWrite() // as below
	}
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite() // the connection is given up; if it is gone already, good
	}
	_ = c.SetReadDeadline(time.Now().Add(lingerTime))
}

// hangUp ends the connection without RST: FIN, then what the client has sent is
// read, then it is closed.
func (c *clientConn) hangUp() {
	c.closeWrite()
	_, _ = io.Copy(io.Discard, c.Conn)
	_ = c.Close()
}
