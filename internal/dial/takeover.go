package dial

import (
	"errors"
	"io"
	"net"
	"time"
)

// errHeldBack says that the server sent bytes nobody had asked for.
var errHeldBack = errors.New("the server sent more than its answer")

// Takeover returns the connection below (TLS included), for someone who speaks
// the protocol on from here: between two commands, with no deadline set. The
// Conn must not be used after, and closing is the taker's.
//
// go-mysql reads through a buffer of its own that cannot be asked what it holds.
// A server that answers commands only leaves nothing in it; to be certain, a
// packet of our own is read through it, which arrives only if it was empty.
func (c *Conn) Takeover() (net.Conn, error) {
	below := c.client.Conn.Conn
	if err := protect(func() error { return c.checkDrained() }); err != nil {
		below.Close()
		return nil, &UnreachableError{Addr: c.options.Addr, Doing: "takeover of the connection", Err: err}
	}
	if g, ok := below.(*guard); ok {
		below = g.Conn // what it had read ahead, go-mysql has taken
	}
	if err := below.SetDeadline(time.Time{}); err != nil {
		below.Close()
		return nil, &UnreachableError{Addr: c.options.Addr, Doing: "takeover of the connection", Err: err}
	}
	return below, nil
}

func (c *Conn) checkDrained() error {
	const marker = "nothing held back"
	stub := &onePacket{bytes: append([]byte{byte(len(marker)), 0, 0, 0}, marker...)}
	c.client.Conn.Conn = stub
	c.client.ResetSequence()
	got, err := c.client.ReadPacket()
	if err != nil || string(got) != marker || len(stub.bytes) != 0 {
		return errHeldBack
	}
	return nil
}

// onePacket is a connection from which one packet can be read, and no more.
type onePacket struct {
	net.Conn
	bytes []byte
}

func (p *onePacket) Read(b []byte) (int, error) {
	if len(p.bytes) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.bytes)
	p.bytes = p.bytes[n:]
	return n, nil
}

func (p *onePacket) SetReadDeadline(time.Time) error { return nil }
