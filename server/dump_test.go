package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// dumpEnds is a log handler that hands over the reasons for which dumps end.
type dumpEnds chan error

func (dumpEnds) Enabled(context.Context, slog.Level) bool { return true }
func (e dumpEnds) WithAttrs([]slog.Attr) slog.Handler     { return e }
func (e dumpEnds) WithGroup(string) slog.Handler          { return e }

func (e dumpEnds) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "dump ends" && r.Message != "dump breaks off; the client may come again" {
		return nil
	}
	r.Attrs(func(a slog.Attr) bool {
		err, _ := a.Value.Any().(error)
		e <- err
		return false
	})
	return nil
}

func (e dumpEnds) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-e:
		return err
	case <-time.After(patience):
		t.Fatal("the dump goes on")
		return nil
	}
}

// serveLog serves a log of more bytes than sockets hold, and begins a dump of it.
func serveLog(t *testing.T, l *archive.Log, writeTimeout time.Duration, statements ...string) (*testServer, *rawClient, dumpEnds) {
	t.Helper()
	ends := make(dumpEnds, 1)
	ts := startServer(t, func(o *Options) { o.Log, o.WriteTimeout, o.Logger = l, writeTimeout, slog.New(ends) })
	c := connect(t, ts, 0)
	for _, statement := range append(statements, "SET @source_binlog_checksum = 'CRC32'") {
		c.mustQuery(statement)
	}
	c.conn.ResetSequence()
	dump := wire.BinlogDump{Position: 4, ServerID: 9}
	c.write(dump.Append(nil))
	return ts, c, ends
}

const moreThanSocketsHold = 48 << 20

func TestClientThatNeverReadsItsDumpIsCutOff(t *testing.T) {
	l, _ := madeUpLog(t, moreThanSocketsHold, 8000)
	_, _, ends := serveLog(t, l, 100*time.Millisecond)
	if err := ends.wait(t); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ended because of %v", err)
	}
}

// Java clients set it, and a dump is one long write.
func TestTheClientsOwnWriteTimeoutHoldsForItsDump(t *testing.T) {
	l, _ := madeUpLog(t, moreThanSocketsHold, 8000)
	_, _, ends := serveLog(t, l, time.Hour, "SET net_write_timeout = 1")
	if err := ends.wait(t); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ended because of %v", err)
	}
}

// Neither waits for the write timeout.
func TestClientThatGoesDuringAWriteIsNoticedAtOnce(t *testing.T) {
	l, _ := madeUpLog(t, moreThanSocketsHold, 8000)
	for name, leave := range map[string]func(*rawClient) error{
		"FIN": func(c *rawClient) error { return c.nc.CloseWrite() },
		"RST": func(c *rawClient) error { return errors.Join(c.nc.SetLinger(0), c.nc.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			_, c, ends := serveLog(t, l, time.Hour)
			c.read() // it has begun
			if err := leave(c); err != nil {
				t.Fatal(err)
			}
			if err := ends.wait(t); err == nil {
				t.Error("it ended without a reason")
			}
		})
	}
}

// Debezium gives up for good when its stream ends within an event.
func TestShutdownEndsADumpBetweenTwoWholeEvents(t *testing.T) {
	for name, eventSize := range map[string]int{"small": 8000, "never at a chunk's end": 1<<20 + 60, "larger than a packet": 20 << 20} {
		t.Run(name, func(t *testing.T) {
			l, events := madeUpLog(t, moreThanSocketsHold, eventSize)
			ts, c, _ := serveLog(t, l, 0)
			for c.read()[5] != 30 { // until rows are on their way
			}
			done := make(chan error, 1)
			go func() { done <- ts.Shutdown(shutdownContext(t)) }()
			<-ts.ctx.Done()
			got, err := 1, error(nil)
			for err == nil {
				var p []byte
				if p, err = c.conn.ReadPacket(1 << 25); err == nil && p[0] == 0 {
					got++
				}
			}
			if err != io.EOF {
				t.Errorf("the stream ends with %v", err)
			}
			if got > events/2 {
				t.Errorf("%d of %d events still came", got, events)
			}
			_ = c.nc.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// leavingConn calls left as soon as a client of a dump has its EOF packet.
type leavingConn struct {
	fakeConn
	left func()
}

func (leavingConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

func (c leavingConn) Write(p []byte) (int, error) {
	if len(p) == wire.HeaderLen+5 && p[wire.HeaderLen] == 0xfe {
		c.left()
	}
	return len(p), nil
}

// mysqlbinlog closes the connection before the dump's end is counted.
func TestADumpWhoseEndWasSentIsDone(t *testing.T) {
	l, _ := madeUpLog(t, 1, 90)
	ts := startServer(t, func(o *Options) { o.Log = l })
	ctx, cancel := context.WithCancelCause(t.Context())
	s := newSession(ts.Server, leavingConn{left: func() { cancel(errClientGone) }}, cancel)
	s.progress = new(dumpProgress)
	err := s.dump(ctx, dumpRequest{nonBlock: true, pos: 4, checksum: checksumCRC32})
	if err != nil || ctx.Err() == nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

// A client at the live tail is disconnected, so that it is noticed there: heartbeats would
// tell it for ever that all is well. It is not told error 1236.
func TestDamageBehindAClientAtTheTailEndsItsDump(t *testing.T) {
	l, w := newMadeUpLog(t, 0)
	w.transaction(uuidOf(t, sourceUUID), 1, 90)
	l.Flush()
	waitForEnd(l, w)
	_, c, ends := serveLog(t, l, 0)
	for range 1 + w.events { // the fake ROTATE is not the log's
		c.read()
	}
	if err := os.WriteFile(filepath.Join(w.dir, w.name), []byte("not what was received"), 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *archive.DamageError
	if err := l.StartFile("binlog.000002"); err != nil && !errors.As(err, &damage) { // the first file is sealed
		t.Fatal(err)
	}
	if err := ends.wait(t); !errors.As(err, &damage) {
		t.Errorf("it ended because of %v", err)
	}
	c.expectEOF()
}

func TestFramingAllocatesNothingPerEvent(t *testing.T) {
	l, _ := madeUpLog(t, 1<<20, 100)
	everyOther := mustSet("")
	for n := int64(1); n < 1000; n += 2 {
		if err := everyOther.Add(replication.GTID{UUID: uuidOf(t, sourceUUID), Number: n}); err != nil {
			t.Fatal(err)
		}
	}
	for name, request := range map[string]dumpRequest{
		"by file": {checksum: checksumCRC32},
		"by GTID": {checksum: checksumCRC32, gtid: true, set: everyOther},
	} {
		t.Run(name, func(t *testing.T) {
			d := &dump{log: l, request: request, conn: io.Discard, progress: &dumpProgress{}, file: madeUpFile}
			r, err := l.OpenAt(replication.Position{File: madeUpFile, Offset: replication.FirstEventOffset})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			chunk, err := r.Next()
			if err == nil {
				err = errors.Join(d.chunk(chunk), d.flush()) // the FORMAT_DESCRIPTION is copied
			}
			if err == nil {
				chunk, err = r.Next()
			}
			if err != nil {
				t.Fatal(err)
			}
			perChunk := testing.AllocsPerRun(20, func() {
				if err := errors.Join(d.chunk(chunk), d.flush()); err != nil {
					t.Fatal(err)
				}
			})
			if perChunk > 2 { // the published position
				t.Errorf("%v allocations for a chunk of %d bytes", perChunk, len(chunk.Data))
			}
		})
	}
}
