// Package sink has clients of a dump that only count the bytes that they get: what
// measures serving must cost less than what it measures, and one that reads events
// does not.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// Sink is one client.
type Sink struct {
	nc    net.Conn
	total atomic.Int64
}

// Open logs in and sends a dump command; command is its payload, such as
// wire.BinlogDump's. The server is told that checksums are known, and asked for no
// heartbeats, which would count too.
func Open(ctx context.Context, options dial.Options, command []byte) (*Sink, error) {
	conn, err := dial.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Query(ctx, "SET @source_binlog_checksum = 'CRC32', @source_heartbeat_period = 0"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	nc, err := conn.Takeover()
	if err != nil {
		return nil, err
	}
	packets := wire.NewConn(nc)
	if err := errors.Join(packets.WritePacket(command), packets.Flush()); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return &Sink{nc: nc}, nil
}

// Run reads until the server or Close ends the connection. After each read it calls
// read, if that is not nil, with the sum of what has come. The buffer bounds what a
// read takes: large for throughput, small for a thousand sinks.
func (s *Sink) Run(buffer int, read func(total int64)) error {
	buf := make([]byte, buffer)
	for {
		n, err := s.nc.Read(buf)
		total := s.total.Add(int64(n))
		if n > 0 && read != nil {
			read(total)
		}
		switch {
		case err == io.EOF || errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("a sink after %d bytes: %w", total, err)
		}
	}
}

// Copy writes to w what it reads until at least size bytes have come.
func (s *Sink) Copy(w io.Writer, buffer int, size int64) error {
	buf := make([]byte, buffer)
	for s.Total() < size {
		n, err := s.nc.Read(buf)
		total := s.total.Add(int64(n))
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("a sink after %d bytes of %d: %w", total, size, err)
		}
	}
	return nil
}

// Total is how many bytes have come: packets with their headers.
func (s *Sink) Total() int64 { return s.total.Load() }

// Close ends the connection, and with it Run.
func (s *Sink) Close() error { return s.nc.Close() }
