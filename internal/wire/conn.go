package wire

import (
	"bufio"
	"errors"
	"io"
	"net"
)

const (
	minReadBuffer  = 1 << 10  // a first allocation, enough for nearly every command
	keepReadBuffer = 64 << 10 // a larger one is given back with the next read
	writeBuffer    = 4 << 10
)

// Conn reads and writes whole payloads over a net.Conn and keeps the sequence
// number, which both directions share: an answer continues the numbers of its
// command.
//
// It never reads beyond the packet that it returns. So between two packets the
// net.Conn may be taken over (for TLS, to drain it, by the dump loop) without
// losing bytes; the price is two reads per packet, which a server that waits for
// commands does not notice.
//
// A Conn is not safe for concurrent use, with one exception: while one goroutine
// is in ReadPacket, another may write to NetConn. Deadlines are those of the
// net.Conn. After an error of any method the connection is out of step and of
// no more use than for writing one ERR packet and closing it.
type Conn struct {
	nc  net.Conn
	w   *bufio.Writer
	in  []byte // the payload returned last, and the room for the next
	seq uint8  // of the next packet, in either direction

	header [HeaderLen]byte // a field, because a local one would escape to the heap
}

// NewConn returns a Conn over nc. It does not take part in closing nc.
func NewConn(nc net.Conn) *Conn {
	return &Conn{nc: nc, w: bufio.NewWriterSize(nc, writeBuffer)}
}

// NetConn returns the connection below.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Upgrade goes on over nc, which usually is TLS around NetConn. What was written
// before must have been flushed; else it would appear on the wrong side of the
// change, and an error is returned.
func (c *Conn) Upgrade(nc net.Conn) error {
	if c.w.Buffered() > 0 {
		return errors.New("upgrade of a connection with unflushed packets")
	}
	c.nc = nc
	c.w.Reset(nc)
	return nil
}

// Sequence returns the sequence number of the next packet.
func (c *Conn) Sequence() uint8 { return c.seq }

// SetSequence sets the sequence number of the next packet, read or written.
func (c *Conn) SetSequence(seq uint8) { c.seq = seq }

// ResetSequence prepares for a new command, whose first packet has number 0.
func (c *Conn) ResetSequence() { c.seq = 0 }

// ReadPacket reads one payload of at most limit bytes, joined if it comes in
// parts. The slice is valid until the next call.
//
// The error is io.EOF only if the peer closed between two payloads,
// io.ErrUnexpectedEOF if it closed inside one, a *PacketTooLargeError, a
// *SequenceError, or that of the net.Conn.
func (c *Conn) ReadPacket(limit int) ([]byte, error) {
	if cap(c.in) > keepReadBuffer {
		c.in = nil
	}
	c.in = c.in[:0]
	for first := true; ; first = false {
		length, err := c.readHeader(first)
		if err != nil {
			return nil, err
		}
		if length > limit-len(c.in) {
			return nil, &PacketTooLargeError{Length: len(c.in) + length, Limit: limit}
		}
		if err := c.readBody(length); err != nil {
			return nil, err
		}
		if length < MaxPart {
			return c.in, nil
		}
	}
}

func (c *Conn) readHeader(first bool) (length int, err error) {
	if _, err := io.ReadFull(c.nc, c.header[:]); err != nil {
		if err == io.EOF && !first {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	if got := c.header[3]; got != c.seq {
		return 0, &SequenceError{Got: got, Want: c.seq}
	}
	c.seq++
	return int(c.header[0]) | int(c.header[1])<<8 | int(c.header[2])<<16, nil
}

// readBody appends n bytes to c.in. The buffer at most doubles what has arrived.
func (c *Conn) readBody(n int) error {
	for n > 0 {
		have := len(c.in)
		if have == cap(c.in) {
			grown := make([]byte, have, min(max(minReadBuffer, 2*have), have+n))
			copy(grown, c.in)
			c.in = grown
		}
		step := min(n, cap(c.in)-have)
		if _, err := io.ReadFull(c.nc, c.in[have:have+step]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		c.in = c.in[:have+step]
		n -= step
	}
	return nil
}

// disown leaves the payload returned last to its holder: the next read will not
// overwrite it.
func (c *Conn) disown() { c.in = nil }

// WritePacket writes one payload, in as many packets as it takes, to the write
// buffer. Nothing is certain to be sent before Flush.
func (c *Conn) WritePacket(payload []byte) error {
	for {
		n := min(len(payload), MaxPart)
		AppendPacketHeader(c.header[:0], n, c.seq)
		if _, err := c.w.Write(c.header[:]); err != nil {
			return err
		}
		if _, err := c.w.Write(payload[:n]); err != nil {
			return err
		}
		c.seq++
		if n < MaxPart {
			return nil
		}
		payload = payload[n:]
	}
}

// Flush sends what WritePacket has buffered.
func (c *Conn) Flush() error { return c.w.Flush() }
