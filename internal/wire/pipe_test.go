package wire

import (
	"bytes"
	"io"
	"net"
	"time"
)

// memConn is a net.Conn that reads prepared bytes and keeps what is written.
type memConn struct {
	in  io.Reader
	out bytes.Buffer
}

func newMemConn(in []byte) *memConn { return &memConn{in: bytes.NewReader(in)} }

func (m *memConn) Read(p []byte) (int, error)       { return m.in.Read(p) }
func (m *memConn) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memConn) Close() error                     { return nil }
func (m *memConn) LocalAddr() net.Addr              { return nil }
func (m *memConn) RemoteAddr() net.Addr             { return nil }
func (m *memConn) SetDeadline(time.Time) error      { return nil }
func (m *memConn) SetReadDeadline(time.Time) error  { return nil }
func (m *memConn) SetWriteDeadline(time.Time) error { return nil }

// sliceReader gives r away in pieces of at most cuts[i] bytes, in turn. It stands
// for a network that delivers as it likes.
type sliceReader struct {
	r    io.Reader
	cuts []byte
	i    int
}

func (s *sliceReader) Read(p []byte) (int, error) {
	n := 1
	if len(s.cuts) > 0 {
		n += int(s.cuts[s.i%len(s.cuts)])
		s.i++
	}
	return s.r.Read(p[:min(n, len(p))])
}
