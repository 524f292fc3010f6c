package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
)

// sourceStatus is the part of /status that claims something.
type sourceStatus struct {
	State     string `json:"state"`
	ExitCode  int    `json:"exit_code"`
	LastError string `json:"last_error"`
	Durable   string `json:"durable"`
	Published string `json:"published"`
	Stalled   bool   `json:"stalled"`
	Executed  string `json:"gtid_executed"`
}

// askStatus asks a daemon with one source how that is.
func askStatus(ctx context.Context, d *child.Daemon) (*sourceStatus, error) {
	var st struct {
		Sources []sourceStatus `json:"sources"`
	}
	if err := d.Status(ctx, &st); err != nil {
		return nil, err
	}
	if len(st.Sources) != 1 {
		return nil, fmt.Errorf("%d sources", len(st.Sources))
	}
	return &st.Sources[0], nil
}

// firstStatus waits until a daemon that was just started has opened its log, which it
// says nothing of before, and says how it is.
func firstStatus(ctx context.Context, d *child.Daemon) (s *sourceStatus, err error) {
	err = d.WaitFor(ctx, "answering", func() bool {
		s, err = askStatus(ctx, d)
		return err == nil && s.State != "opening"
	})
	return s, err
}

// witness watches one life of a daemon: it asks for its status again and again, and
// is a downstream that is sent everything from the last file it knows on.
type witness struct {
	claims *claims
	stop   context.CancelFunc
	work   sync.WaitGroup
	wrong  error // what the downstream was sent and must not have been
}

// watch begins to watch d. The caller ends that by end.
func (c *claims) watch(ctx context.Context, d *child.Daemon) *witness {
	w := &witness{claims: c}
	ctx, w.stop = context.WithCancel(ctx)
	w.work.Go(func() { w.ask(ctx, d) })
	w.work.Go(func() { w.receive(ctx, d.Listen()) })
	return w
}

// end waits until all that was on its way is noted, the daemon being dead.
func (w *witness) end() error {
	w.stop()
	w.work.Wait()
	return w.wrong
}

const askEvery = 15 * time.Millisecond

func (w *witness) ask(ctx context.Context, d *child.Daemon) {
	for pause(ctx, askEvery) == nil {
		if s, err := askStatus(context.WithoutCancel(ctx), d); err == nil {
			w.claims.note(s)
		}
	}
}

func (w *witness) receive(ctx context.Context, addr string) {
	for pause(ctx, askEvery) == nil {
		nc, err := w.claims.dump(ctx, addr)
		if err != nil {
			continue // not there yet, or nothing held yet
		}
		err = w.claims.follow(wire.NewConn(nc))
		nc.Close()
		if wrong := (*wrongError)(nil); errors.As(err, &wrong) {
			w.wrong = err
			return
		}
	}
}

// dump asks for everything from the last file on that was served before.
func (c *claims) dump(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := dial.Open(ctx, dial.Options{Addr: addr, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Query(ctx, "SET @source_binlog_checksum = 'CRC32', @master_heartbeat_period = 1000000000"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	nc, err := conn.Takeover()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	command := wire.BinlogDump{Position: uint32(replication.FirstEventOffset), ServerID: 77, File: c.endLocked().File}
	c.mu.Unlock()
	out := wire.NewConn(nc)
	return nc, errors.Join(out.WritePacket(command.Append(nil)), out.Flush())
}

// wrongError says what a downstream must never be sent.
type wrongError struct{ err error }

func (e *wrongError) Error() string { return e.err.Error() }

// follow notes the events of a dump until the connection ends.
func (c *claims) follow(in *wire.Conn) error {
	var at replication.Position
	for {
		packet, err := in.ReadPacket(1 << 30)
		if err != nil {
			return err
		}
		if len(packet) == 0 || packet[0] != 0 {
			return fmt.Errorf("the dump ended: %q", packet)
		}
		event := packet[1:]
		h, err := replication.ParseHeader(event)
		switch {
		case err != nil:
			return &wrongError{err}
		case h.Type == replication.HeartbeatEvent:
		case h.Type == replication.RotateEvent && h.Artificial():
			rotate, err := replication.ParseRotate(event, replication.ChecksumCRC32)
			if err != nil {
				return &wrongError{err}
			}
			at = replication.Position{File: rotate.Name, Offset: int64(rotate.Position)}
		default:
			if err := c.serve(at, event); err != nil {
				return &wrongError{err}
			}
			at.Offset += int64(len(event))
		}
	}
}
