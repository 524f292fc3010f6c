package server

import (
	"crypto/tls"
	"net"
	"sync"
)

// tlsConn is a client's connection inside TLS. crypto/tls writes each record of
// 16 KiB by itself; here the records of one long Write are gathered, so that a chunk
// of a dump costs a system call for every 64 KiB and not for every record. The
// buffer is held during such a Write only.
type tlsConn struct {
	*tls.Conn
	records *recordWriter
}

func newTLSConn(nc net.Conn, config *tls.Config) *tlsConn {
	records := &recordWriter{Conn: nc}
	return &tlsConn{tls.Server(records, config), records}
}

// maxRecord is what fits into one record.
const maxRecord = 16 << 10

// Write implements net.Conn. After an error the connection is of no more use, and
// how much of p was sent is not known.
func (c *tlsConn) Write(p []byte) (int, error) {
	if len(p) <= maxRecord {
		return c.Conn.Write(p)
	}
	c.records.gather()
	n, err := c.Conn.Write(p)
	if flushErr := c.records.release(); err == nil && flushErr != nil {
		return 0, flushErr
	}
	return n, err
}

// recordWriter is the connection below TLS. While it gathers, what is written
// collects in a buffer. Records that answer the client's (a change of keys) may be
// written at any time by the goroutine that reads: the order is that of Write.
type recordWriter struct {
	net.Conn

	mu        sync.Mutex
	gathering bool
	held      *[]byte // from recordBuffers while gathering, once there is something
	err       error   // of a write that TLS believes to be done
}

// recordBuffers hold four records of the greatest size that is allowed.
var recordBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 4*(maxRecord+2048+5))
	return &b
}}

func (w *recordWriter) gather() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gathering = true
}

// release writes what was gathered, and ends gathering.
func (w *recordWriter) release() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gathering = false
	w.flushLocked()
	if w.held != nil {
		recordBuffers.Put(w.held)
		w.held = nil
	}
	return w.err
}

func (w *recordWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if !w.gathering {
		return w.Conn.Write(p)
	}
	if w.held == nil {
		w.held = recordBuffers.Get().(*[]byte)
	}
	if len(*w.held)+len(p) > cap(*w.held) {
		if w.flushLocked(); w.err != nil {
			return 0, w.err
		}
	}
	*w.held = append(*w.held, p...)
	return len(p), nil
}

func (w *recordWriter) flushLocked() {
	if w.held == nil {
		return
	}
	if w.err == nil {
		_, w.err = w.Conn.Write(*w.held)
	}
	*w.held = (*w.held)[:0] // also for the next one who gets it from the pool
}
