package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// frame is one packet as it came. Of a long payload all but the beginning is
// kept as a sum.
type frame struct {
	sequence byte
	length   int
	payload  string
}

// note is an entry of an answer that is no packet: the end of the connection, and
// what a script finds out by itself.
func note(format string, args ...any) frame {
	return frame{length: -1, payload: fmt.Sprintf(format, args...)}
}

// What a connection ends with, behind the last packet.
var closed, stillOpen = note("closed"), note("open")

// send logs in, makes the declaration and sends the command.
func (c dumpCase) send(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := dial.Open(ctx, dial.Options{Addr: addr, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword})
	if err != nil {
		return nil, err
	}
	if c.declare != "" {
		if _, err := conn.Query(ctx, c.declare); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	nc, err := conn.Takeover()
	if err != nil {
		return nil, err
	}
	return nc, errors.Join(nc.SetDeadline(time.Now().Add(2*time.Minute)), sendCommand(nc, c.command))
}

func sendCommand(nc net.Conn, payload []byte) error {
	conn := wire.NewConn(nc)
	return errors.Join(conn.WritePacket(payload), conn.Flush())
}

// ask reads until the server has said its last word. The last entry tells whether
// it then closed the connection.
func (c dumpCase) ask(ctx context.Context, addr string) (answer []frame, err error) {
	nc, err := c.send(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	for continued, last := false, false; !last; {
		f, err := readFrame(nc)
		if err != nil {
			return nil, fmt.Errorf("behind %d packets: %w", len(answer), err)
		}
		answer = append(answer, f)
		last = !continued && f.payload[0] != 0
		continued = f.length == wire.MaxPart
	}
	end, err := ending(nc, &answer[len(answer)-1])
	return append(answer, end), err
}

const keptWhole = 1 << 16

func readFrame(r io.Reader) (frame, error) {
	var header [wire.HeaderLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	f := frame{sequence: header[3], length: int(header[0]) | int(header[1])<<8 | int(header[2])<<16}
	payload := make([]byte, min(f.length, keptWhole))
	if _, err := io.ReadFull(r, payload); err != nil {
		return f, err
	}
	if rest := f.length - len(payload); rest > 0 {
		sum := sha256.New()
		if _, err := io.CopyN(sum, r, int64(rest)); err != nil {
			return f, err
		}
		payload = sum.Sum(payload)
	}
	f.payload = string(payload)
	return f, nil
}

// ending finds out whether the connection is closed behind the last packet. Of an
// EOF it clears the bit that says that the dump took long.
func ending(nc net.Conn, last *frame) (frame, error) {
	if last.payload[0] == 0xfe && last.length == 5 {
		last.payload = last.payload[:4] + string([]byte{last.payload[4] &^ byte(wire.StatusSlowQuery>>8)})
	} else if e, err := wire.DecodeError([]byte(last.payload)); err == nil && e.Number != wire.ERMasterFatalReadingLog {
		if err := sendCommand(nc, []byte{byte(wire.ComPing)}); err != nil {
			return frame{}, err
		}
	}
	switch f, err := readFrame(nc); {
	case err == io.EOF:
		return closed, nil
	case err != nil:
		return frame{}, fmt.Errorf("instead of FIN: %w", err)
	case f.payload[0] != 0:
		return frame{}, fmt.Errorf("%q instead of OK", f.payload)
	}
	return stillOpen, nil
}

// compare puts a case to both and reports the first difference. It returns how many
// bytes came from the proxy.
func (c dumpCase) compare(t *testing.T, mysqld, proxy string) (came int64) {
	t.Helper()
	var want, got []frame
	var wantErr, gotErr error
	var wg sync.WaitGroup
	wg.Go(func() { want, wantErr = c.ask(t.Context(), mysqld) })
	wg.Go(func() { got, gotErr = c.ask(t.Context(), proxy) })
	wg.Wait()
	if wantErr != nil || gotErr != nil {
		t.Fatalf("mysqld: %v; proxy: %v", wantErr, gotErr)
	}
	for _, f := range got {
		came += int64(max(f.length, 0))
	}
	if c.instead == nil {
		alike(t, c.deviates, want, got)
		return came
	}
	asked := dumpCase{declare: c.declare, command: c.instead}
	instead, err := asked.ask(t.Context(), mysqld)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(want, got) {
		t.Errorf("no deviation any more: %s", c.deviates.here)
	}
	c.deviates.met = true
	alike(t, nil, instead, got)
	return came
}

func show(frames []frame, i int) string {
	if i >= len(frames) {
		return "nothing more"
	}
	f := frames[i]
	if f.length < 0 {
		return f.payload
	}
	text := fmt.Sprintf("number %d, %d bytes: ", f.sequence, f.length)
	if h, err := replication.ParseHeader([]byte(f.payload[min(1, f.length):])); err == nil && f.payload[0] == 0 {
		return text + fmt.Sprintf("%+v %x", h, f.payload[1:min(len(f.payload), 200)])
	}
	return text + fmt.Sprintf("%q", f.payload[:min(len(f.payload), 700)])
}

// follower reads a dump at the live tail.
type follower struct {
	nc       net.Conn
	sequence byte
	rotate   replication.Rotate // the last one
	awaiting bool               // a FORMAT_DESCRIPTION must come next
	beat     replication.EventType
}

// until returns the packets up to n heartbeats in a row that stand at end, without
// the heartbeats: how many come elsewhere depends on when.
func (f *follower) until(t *testing.T, end testenv.BinlogFile, n int) (events []string) {
	t.Helper()
	for beats := 0; beats < n; {
		p, err := readFrame(f.nc)
		if err != nil {
			t.Fatalf("behind %q: %v", events, err)
		}
		if f.sequence++; p.sequence != f.sequence {
			t.Fatalf("number %d instead of %d", p.sequence, f.sequence)
		}
		event := []byte(p.payload[1:])
		h, err := replication.ParseHeader(event)
		if err != nil {
			t.Fatalf("%q: %v", p.payload, err)
		}
		if !isHeartbeat(h) {
			events, beats = append(events, p.payload), 0
			f.track(t, h, event)
			continue
		}
		f.beat = h.Type
		hb, err := replication.ParseHeartbeat(event, replication.ChecksumCRC32)
		if err != nil || replication.VerifyChecksum(event) != nil || h.LogPos != uint32(hb.Offset) || h.Timestamp != 0 || h.Flags != 0 {
			t.Fatalf("heartbeat %x: %v", event, err)
		}
		if f.awaiting || hb.File != f.rotate.Name {
			t.Fatalf("%+v behind the ROTATE to %s, FORMAT_DESCRIPTION awaited: %v", hb, f.rotate.Name, f.awaiting)
		}
		if hb.File == end.Name && hb.Offset == end.Size {
			beats++
		}
	}
	return events
}

func (f *follower) track(t *testing.T, h replication.Header, event []byte) {
	t.Helper()
	switch h.Type {
	case replication.RotateEvent:
		var err error
		if f.rotate, err = replication.ParseRotate(event, replication.ChecksumCRC32); err != nil {
			t.Fatal(err)
		}
		f.awaiting = true
	case replication.FormatDescriptionEvent:
		f.awaiting = false
	}
}

func binlogFiles(t *testing.T, m *testenv.MySQL) []testenv.BinlogFile {
	t.Helper()
	files, err := m.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func newestFile(t *testing.T, m *testenv.MySQL) testenv.BinlogFile {
	t.Helper()
	files := binlogFiles(t, m)
	return files[len(files)-1]
}

// eventStarts lists where the events of a primary's file begin, and its end.
func eventStarts(t *testing.T, m *testenv.MySQL, name string) []int64 {
	t.Helper()
	var file bytes.Buffer
	if err := m.ReadBinlog(t.Context(), name, &file); err != nil {
		t.Fatal(err)
	}
	starts := []int64{replication.FirstEventOffset}
	for at := starts[0]; at < int64(file.Len()); {
		h, err := replication.ParseHeader(file.Bytes()[at:])
		if err != nil {
			t.Fatal(err)
		}
		at += int64(h.Size)
		starts = append(starts, at)
	}
	return starts
}

// withinEvents lists places at which no event begins, of every third event.
func withinEvents(t *testing.T, m *testenv.MySQL, name string) (places []int64) {
	t.Helper()
	for i, at := range eventStarts(t, m, name) {
		if i%3 == 0 {
			places = append(places, at+1, at+replication.HeaderSize)
		}
	}
	return places
}

func gtidSet(t *testing.T, text string) *replication.GTIDSet {
	t.Helper()
	set, err := replication.ParseGTIDSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func executed(t *testing.T, m *testenv.MySQL) *replication.GTIDSet {
	t.Helper()
	text, err := m.GTIDExecuted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return gtidSet(t, text)
}
