package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// pair is a real server and the proxy that follows it.
type pair struct {
	m     *testenv.MySQL
	proxy string
}

// script is a case that is more than one dump command. It is run against each of
// the two, and what it notes must be equal.
type script struct {
	name       string
	run        func(*peer) error
	deviates   *deviation
	proxyFirst bool // else mysqld is
}

// peer is one of the two during a script.
type peer struct {
	ctx   context.Context
	addr  string
	m     *testenv.MySQL // the server itself, in both
	notes []frame
	open  []net.Conn
}

func (b pair) scripts(t *testing.T, all []script) {
	for _, s := range all {
		t.Run(s.name, b.begin(t, s))
	}
}

// begin runs a script against both, in the background, and returns what compares
// the answers.
func (b pair) begin(t *testing.T, s script) func(*testing.T) {
	var answers [2][]frame
	var errs [2]error
	var wg sync.WaitGroup
	wg.Go(func() {
		order := []int{0, 1}
		if s.proxyFirst {
			order = []int{1, 0}
		}
		for _, i := range order {
			p := &peer{ctx: t.Context(), addr: []string{b.m.Addr(), b.proxy}[i], m: b.m}
			errs[i] = s.run(p)
			answers[i] = p.notes
			p.close()
		}
	})
	t.Cleanup(wg.Wait)
	return func(t *testing.T) {
		wg.Wait()
		if errs[0] != nil || errs[1] != nil {
			t.Fatalf("mysqld: %v; proxy: %v\n mysqld %+v\n proxy  %+v", errs[0], errs[1], answers[0], answers[1])
		}
		alike(t, s.deviates, answers[0], answers[1])
	}
}

func (p *peer) note(format string, args ...any) { p.notes = append(p.notes, note(format, args...)) }

func (p *peer) close() {
	for _, nc := range p.open {
		nc.Close()
	}
}

// line is a connection that speaks packets.
type line struct {
	p    *peer
	nc   net.Conn
	id   uint32 // of the connection
	last byte   // sequence number of the last packet of a dump
}

// login opens a line behind some statements, as a client with connection attributes.
func (p *peer) login(attributes map[string]string, statements ...string) (*line, error) {
	conn, err := dial.Open(p.ctx, dial.Options{
		Addr: p.addr, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword, Attributes: attributes})
	if err != nil {
		return nil, err
	}
	for _, s := range statements {
		if _, err := conn.Query(p.ctx, s); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	l := &line{p: p, id: conn.ID()}
	if l.nc, err = conn.Takeover(); err != nil {
		return nil, err
	}
	p.open = append(p.open, l.nc)
	return l, l.nc.SetDeadline(time.Now().Add(time.Minute))
}

// query runs a statement on a connection of its own and notes the answer; of rows
// those that begin with a value.
func (p *peer) query(statement, first string) error {
	conn, err := dial.Open(p.ctx, dial.Options{Addr: p.addr, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword})
	if err != nil {
		return err
	}
	defer conn.Close()
	result, err := conn.Query(p.ctx, statement)
	var refused *dial.StatementError
	if errors.As(err, &refused) {
		p.note("error %d", dial.Number(err))
		return nil
	}
	p.note("answered")
	for _, row := range result.Rows {
		if row[0] == first {
			p.note("%q", row)
		}
	}
	return err
}

// ask sends a command and notes the one packet that answers it, or that the
// connection is closed.
func (l *line) ask(payload []byte) error {
	if err := sendCommand(l.nc, payload); err != nil {
		return err
	}
	return l.noteNext()
}

func (l *line) noteNext() error {
	f, err := readFrame(l.nc)
	if err == io.EOF {
		l.p.notes = append(l.p.notes, closed)
		return nil
	}
	l.p.notes = append(l.p.notes, f)
	return err
}

// statement sends one and notes the packets that answer it; of a volatile answer
// only how many they are.
func (l *line) statement(text string, volatile bool) error {
	before := len(l.p.notes)
	command := []byte{byte(wire.ComQuery)}
	if l.p.addr == l.p.m.Addr() {
		command = append(command, 0, 1) // no QUERY_ATTRIBUTES, which the proxy does not offer
	}
	if err := l.ask(append(command, text...)); err != nil {
		return err
	}
	if first := l.p.notes[before]; first.length > 0 && first.payload[0] != 0 && first.payload[0] != 0xff {
		if err := l.noteRows(int(first.payload[0])); err != nil {
			return err
		}
	}
	if n := len(l.p.notes) - before; volatile {
		l.p.notes = append(l.p.notes[:before], note("%d packets", n))
	}
	return nil
}

// noteRows notes the rest of a result set: columns, rows and what ends each.
func (l *line) noteRows(columns int) error {
	for n, ends := 0, 1; ends > 0; n++ {
		if err := l.noteNext(); err != nil {
			return err
		}
		f := l.p.notes[len(l.p.notes)-1]
		if f.length < 0 {
			return io.ErrUnexpectedEOF
		}
		if n >= columns && f.payload[0] == 0xfe && f.length < 9 {
			ends--
			if n == columns && f.length == 5 { // only the end of the columns, without DEPRECATE_EOF
				ends++
			}
		}
	}
	return nil
}

// dump begins a dump and notes its packets up to the one that ends at end.
func (l *line) dump(payload []byte, end testenv.BinlogFile) error {
	if err := sendCommand(l.nc, payload); err != nil {
		return err
	}
	l.last = 0
	return l.until(end)
}

func (l *line) until(end testenv.BinlogFile) error {
	return l.events(func(h replication.Header, file string) bool {
		return h.Flags&replication.FlagArtificial == 0 && h.LogPos == uint32(end.Size) && file == end.Name
	})
}

// events notes packets of a dump, but for heartbeats, up to a certain event. It
// takes nothing but events.
func (l *line) events(last func(h replication.Header, file string) bool) error {
	file, continued := "", false
	for done := false; !done || continued; {
		f, err := readFrame(l.nc)
		if err != nil {
			return fmt.Errorf("behind packet %d: %w", l.last, err)
		}
		if l.last++; f.sequence != l.last {
			return fmt.Errorf("number %d instead of %d", f.sequence, l.last)
		}
		f.sequence = 0 // heartbeats, which are left out, have numbers too
		part := continued
		continued = f.length == wire.MaxPart
		if !part {
			h, event, err := eventOf(f)
			if err != nil {
				return err
			}
			if isHeartbeat(h) {
				continue
			}
			if rotate, err := replication.ParseRotate(event, replication.ChecksumNone); err == nil && h.Type == replication.RotateEvent {
				file = rotate.Name[:min(len(rotate.Name), len("binlog.000001"))] // there may be a checksum
			}
			done = last(h, file)
		}
		l.p.notes = append(l.p.notes, f)
	}
	return nil
}

func eventOf(f frame) (replication.Header, []byte, error) {
	if f.length <= 0 || f.payload[0] != 0 {
		return replication.Header{}, nil, fmt.Errorf("%q is no event", f.payload)
	}
	event := []byte(f.payload[1:])
	h, err := replication.ParseHeader(event)
	return h, event, err
}

func isHeartbeat(h replication.Header) bool {
	return h.Type == replication.HeartbeatEvent || h.Type == replication.HeartbeatV2Event
}

var goesOn = note("it goes on")

// lives proves that a dump goes on: an event that is written now arrives.
func (l *line) lives() error {
	if _, err := l.p.m.DB().ExecContext(l.p.ctx, "INSERT INTO d.t (b) VALUES ('a sign of life')"); err != nil {
		return err
	}
	err := l.events(func(h replication.Header, _ string) bool { return h.Type == replication.XIDEvent })
	l.p.notes = []frame{goesOn} // the file is not the same any more for the other of the two
	return err
}

// ended notes everything up to the end of the connection, but heartbeats.
func (l *line) ended() error {
	for {
		f, err := readFrame(l.nc)
		if err == io.EOF {
			l.p.notes = append(l.p.notes, closed)
			return nil
		}
		if err != nil {
			return err
		}
		if h, _, err := eventOf(f); err == nil && isHeartbeat(h) {
			continue
		}
		f.sequence = 0
		l.p.notes = append(l.p.notes, f)
	}
}

// newest is the server's newest file.
func (p *peer) newest() (testenv.BinlogFile, error) {
	files, err := p.m.BinlogFiles(p.ctx)
	if err != nil {
		return testenv.BinlogFile{}, err
	}
	return files[len(files)-1], nil
}
