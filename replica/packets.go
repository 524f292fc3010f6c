package replica

import (
	"errors"
	"fmt"
	"io"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// packets reads the payloads of a stream of packets in place: every slice that
// it returns is part of its one buffer and valid until the next call. It
// allocates nothing once it exists. A payload that is longer than a packet
// (wire.MaxPart) comes in several, which are joined here.
type packets struct {
	conn io.Reader
	buf  []byte
	r, w int   // buf[r:w] was read and not yet returned
	read int64 // bytes read in all

	// beforeRead is called before each read of conn, which may wait. drained says
	// that the last one emptied the socket.
	beforeRead func(drained bool) error
	drained    bool

	seq  uint8 // of the next packet
	rest int   // bytes of the current packet that were not returned
	more bool  // the current packet is a full one: the payload goes on in the next
}

// errBroken says that the source closed the connection between two events or
// within one.
var errBroken = errors.New("the source closed the connection")

// begin reads the header of a payload's first packet and returns its length;
// longer is true where more packets follow. The last payload must have been
// read to its end.
func (p *packets) begin() (length int, longer bool, err error) {
	if p.rest != 0 || p.more {
		panic("replica: a payload was not read to its end")
	}
	if err := p.header(); err != nil {
		return 0, false, err
	}
	return p.rest, p.more, nil
}

// part returns the next bytes of the payload: at least want of them, or all
// that the current packet still has, and everything of it that has arrived.
// want must not exceed the buffer. At the payload's end it returns none.
func (p *packets) part(want int) ([]byte, error) {
	for p.rest == 0 {
		if !p.more {
			return nil, nil
		}
		if err := p.header(); err != nil {
			return nil, err
		}
	}
	if want = min(want, p.rest); p.w-p.r < want {
		if err := p.fill(want); err != nil {
			return nil, err
		}
	}
	n := min(p.w-p.r, p.rest)
	part := p.buf[p.r : p.r+n]
	p.r += n
	p.rest -= n
	return part, nil
}

// peek returns the next payload where all of it waits in the buffer, in one packet as
// it is due; nil otherwise. It remains the next one. The last payload must have been
// read to its end.
func (p *packets) peek() []byte {
	b := p.buf[p.r:p.w]
	if len(b) < wire.HeaderLen {
		return nil
	}
	n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if b[3] != p.seq || n == wire.MaxPart || n > len(b)-wire.HeaderLen {
		return nil
	}
	return b[wire.HeaderLen : wire.HeaderLen+n]
}

// skip goes behind the payload of n bytes that peek has returned.
func (p *packets) skip(n int) {
	p.r += wire.HeaderLen + n
	p.seq++
}

// end reports whether the payload was read to its end. It reads the empty
// packet behind one that is a multiple of wire.MaxPart long.
func (p *packets) end() (bool, error) {
	for p.rest == 0 && p.more {
		if err := p.header(); err != nil {
			return false, err
		}
	}
	return p.rest == 0, nil
}

func (p *packets) header() error {
	if p.w-p.r < wire.HeaderLen {
		if err := p.fill(wire.HeaderLen); err != nil {
			return err
		}
	}
	h := p.buf[p.r : p.r+wire.HeaderLen]
	if h[3] != p.seq {
		return &wire.SequenceError{Got: h[3], Want: p.seq}
	}
	p.r += wire.HeaderLen
	p.seq++
	p.rest = int(h[0]) | int(h[1])<<8 | int(h[2])<<16
	p.more = p.rest == wire.MaxPart
	return nil
}

// fill reads until n bytes wait in the buffer.
func (p *packets) fill(n int) error {
	if p.r > 0 {
		p.w = copy(p.buf, p.buf[p.r:p.w])
		p.r = 0
	}
	for p.w < n {
		if err := p.beforeRead(p.drained); err != nil {
			return err
		}
		free := p.buf[p.w:]
		got, err := p.conn.Read(free)
		p.w += got
		p.read += int64(got)
		p.drained = got < len(free)
		if err != nil && p.w < n {
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("%w with %d bytes of a packet sent", errBroken, p.w)
			}
			return err
		}
	}
	return nil
}
