package fakesource

import (
	"bufio"
	"errors"
	"io"
	"net"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Script is what one dump does, step after step; behind its last step it goes on
// as an honest source, unless that step ended the connection.
//
//	source.Next(new(fakesource.Script).Events(5).Corrupt())
type Script struct {
	steps []func(*dump) error
}

func (s *Script) then(step func(*dump) error) *Script {
	s.steps = append(s.steps, step)
	return s
}

// Events sends the next n events, artificial ones included, as an honest source
// does: the first two are the artificial ROTATE and the FORMAT_DESCRIPTION.
func (s *Script) Events(n int) *Script {
	return s.then(func(d *dump) error {
		for range n {
			if err := d.honest(func(event []byte) error { return d.send(event) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// Corrupt sends the next event with a bit of its last byte turned: of its
// checksum, where it has one.
func (s *Script) Corrupt() *Script {
	return s.Change(func(event []byte) []byte {
		event[len(event)-1] ^= 1
		return event
	})
}

// Change sends what f makes of a copy of the next event.
func (s *Script) Change(f func(event []byte) []byte) *Script {
	return s.then(func(d *dump) error {
		return d.honest(func(event []byte) error { return d.send(f(append([]byte(nil), event...))) })
	})
}

// Skip leaves the next event out.
func (s *Script) Skip() *Script {
	return s.then(func(d *dump) error { return d.honest(func([]byte) error { return nil }) })
}

// WrongSequence makes the next packet's sequence number one too high.
func (s *Script) WrongSequence() *Script {
	return s.then(func(d *dump) error {
		d.framer.SetSequence(d.framer.Sequence() + 1)
		return nil
	})
}

// Truncated sends the first n bytes of the next packet, its header among them,
// and closes.
func (s *Script) Truncated(n int) *Script {
	return s.then(func(d *dump) error {
		return d.honest(func(event []byte) error {
			d.buf = d.framer.Start(d.buf[:0], int64(1+len(event)))
			d.buf = d.framer.Append(d.buf, append([]byte{0}, event...))
			_, err := d.out.Write(d.buf[:min(n, len(d.buf))])
			return errors.Join(err, d.out.Flush(), errEnd)
		})
	})
}

// Bytes sends raw bytes, without a packet around them.
func (s *Script) Bytes(b []byte) *Script {
	return s.then(func(d *dump) error {
		_, err := d.out.Write(b)
		return errors.Join(err, d.out.Flush())
	})
}

// Packet sends a payload, with the right sequence number.
func (s *Script) Packet(payload []byte) *Script {
	return s.then(func(d *dump) error {
		d.buf = d.framer.Start(d.buf[:0], int64(len(payload)))
		d.buf = d.framer.Append(d.buf, payload)
		_, err := d.out.Write(d.buf)
		return err
	})
}

// Event sends an event that stands in no file.
func (s *Script) Event(event []byte) *Script {
	return s.then(func(d *dump) error { return d.send(event) })
}

// Rotate sends an artificial ROTATE of its own, in place of the honest one if
// that comes next.
func (s *Script) Rotate(file string, position uint64) *Script {
	return s.then(func(d *dump) error {
		if d.phase == sendRotate {
			d.phase = sendFormat
		}
		return d.rotate(file, position)
	})
}

// Heartbeat sends a heartbeat that says that the source stands at file and offset.
func (s *Script) Heartbeat(file string, offset int64) *Script {
	return s.then(func(d *dump) error { return d.heartbeat(file, offset) })
}

// HeartbeatV2 is Heartbeat in the form with 64 bits for the offset.
func (s *Script) HeartbeatV2(file string, offset int64) *Script {
	return s.then(func(d *dump) error {
		hb := replication.Heartbeat{File: file, Offset: offset}
		return d.send(replication.AppendHeartbeatV2(nil, d.session.source.options.ServerID, hb, d.checksum))
	})
}

// Error sends an ERR packet and ends the connection.
func (s *Script) Error(number uint16, text string) *Script {
	return s.then(func(d *dump) error { return d.fail(number, text) })
}

// EOF ends the dump as a source does that shuts down.
func (s *Script) EOF() *Script {
	return s.then(func(d *dump) error { return d.finish(wire.EOF{Status: 2}.Append(nil)) })
}

// Close closes the connection with FIN, between two events.
func (s *Script) Close() *Script {
	return s.then(func(d *dump) error { return errors.Join(d.out.Flush(), errEnd) })
}

// Reset closes the connection with RST; what the replica has not read is lost.
func (s *Script) Reset() *Script {
	return s.then(func(d *dump) error {
		err := d.out.Flush()
		if tcp, ok := d.session.conn.(*net.TCPConn); ok {
			err = errors.Join(err, tcp.SetLinger(0))
		}
		return errors.Join(err, errEnd)
	})
}

// Silence sends nothing more, not even heartbeats, until the replica gives up.
func (s *Script) Silence() *Script {
	return s.then(func(d *dump) error {
		if err := d.out.Flush(); err != nil {
			return err
		}
		<-d.gone
		return errEnd
	})
}

// CutAfter closes the connection, with FIN, when n more bytes were sent.
func (s *Script) CutAfter(n int) *Script {
	return s.then(func(d *dump) error {
		if err := d.out.Flush(); err != nil {
			return err
		}
		d.out = bufio.NewWriterSize(&cutWriter{conn: d.session.conn, left: n}, 16)
		return nil
	})
}

// SmallSegments sends every byte in a TCP segment of its own from here on.
func (s *Script) SmallSegments() *Script {
	return s.then(func(d *dump) error {
		if err := d.out.Flush(); err != nil {
			return err
		}
		d.out = bufio.NewWriterSize(byteWriter{d.session.conn}, 16)
		return nil
	})
}

// honest passes on the next event of an honest source, for which it waits.
func (d *dump) honest(send func(event []byte) error) error {
	for {
		files, changed := d.session.source.snapshot()
		event, err := d.next(files)
		if err != nil {
			return err
		}
		if event != nil {
			return send(event)
		}
		if err := d.idle(changed); err != nil {
			return err
		}
	}
}

// cutWriter passes on some bytes, then ends the dump.
type cutWriter struct {
	conn net.Conn
	left int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	n, err := w.conn.Write(p[:min(len(p), w.left)])
	w.left -= n
	if err == nil && w.left == 0 {
		err = errEnd
	}
	return n, err
}

// byteWriter writes every byte by itself. Go sets TCP_NODELAY, so each is sent
// at once.
type byteWriter struct{ w io.Writer }

func (w byteWriter) Write(p []byte) (int, error) {
	for i := range p {
		if n, err := w.w.Write(p[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(p), nil
}
