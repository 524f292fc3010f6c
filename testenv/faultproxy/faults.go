package faultproxy

import (
	"bytes"
	"time"
)

// Direction is where bytes go.
type Direction int

const (
	ToServer Direction = iota
	ToClient
)

// Faults are what happens to the bytes of one direction. The zero value lets
// everything pass.
type Faults struct {
	// Stall lets nothing pass, and leaves the connection open: a black hole.
	Stall bool

	// Delay holds everything for so long before it passes.
	Delay time.Duration

	// BytesPerSecond is the most that passes. 0 is no limit.
	BytesPerSecond int

	// CutAfter ends a connection when so many bytes have passed since it was
	// opened. 0 is never; to let none pass, use CutAtPacket 1.
	CutAfter int64

	// CutAtPacket ends a connection instead of passing its n-th MySQL packet, the
	// first being 1. 0 is never. A payload of 16 MiB and more is several packets.
	CutAtPacket int

	// Reset makes the cut an RST; without it both sides see FIN.
	Reset bool

	// StripTLS takes the offer of TLS out of the server's greeting, as who stands in
	// between may do.
	StripTLS bool

	// Once lets faults cut one connection only; that clears them.
	Once bool
}

// packetCounter finds the packets of the MySQL protocol in a stream of bytes.
type packetCounter struct {
	header [4]byte
	have   int // bytes of the header seen
	rest   int // bytes of the payload to come
	begun  int // packets whose first byte was seen
}

// before returns how many bytes of p stand before the first byte of packet n;
// all of them where it does not begin in p. It counts what it lets through.
func (c *packetCounter) before(p []byte, n int) int {
	for i := 0; i < len(p); {
		switch {
		case c.rest > 0:
			step := min(c.rest, len(p)-i)
			c.rest -= step
			i += step
		case c.have == 0 && n > 0 && c.begun+1 == n:
			return i
		default:
			if c.have == 0 {
				c.begun++
			}
			c.header[c.have] = p[i]
			c.have++
			i++
			if c.have == len(c.header) {
				c.rest = int(c.header[0]) | int(c.header[1])<<8 | int(c.header[2])<<16
				c.have = 0
			}
		}
	}
	return len(p)
}

// stripTLS takes the offer of TLS out of a greeting, which p begins with
// (Protocol::HandshakeV10: behind the header and the protocol's version come the
// server's version up to NUL, the connection id, 8 bytes of nonce, NUL, and the
// lower half of the capabilities).
func stripTLS(p []byte) {
	const head, fixed, ssl = 4 + 1, 4 + 8 + 1, 0x08
	if len(p) < head {
		return
	}
	version := bytes.IndexByte(p[head:], 0)
	if at := head + version + 1 + fixed + 1; version >= 0 && at < len(p) {
		p[at] &^= ssl
	}
}
