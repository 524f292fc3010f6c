package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// dumpCase is a dump command that mysqld and the proxy must answer alike.
type dumpCase struct {
	name    string
	sets    string // what is said before it
	command []byte // payload
	// differs names why the proxy answers otherwise, and adapts mysqld's answer to that.
	differs func(*testing.T, *answer)
}

// Declarations of the client before its command.
const (
	crc32      = "SET @source_binlog_checksum = 'CRC32'"
	none       = "SET @source_binlog_checksum = 'NONE'"
	oldName    = "SET @master_binlog_checksum = @@global.binlog_checksum"
	rubbish    = "SET @source_binlog_checksum = 'ALL'"
	null       = "SET @source_binlog_checksum = NULL"
	undeclared = ""
)

const nonBlock = wire.DumpNonBlock

func byFile(flags wire.DumpFlags, file string, pos uint32) []byte {
	d := wire.BinlogDump{Position: pos, Flags: flags, ServerID: 901, File: file}
	return d.Append(nil)
}

func byGTID(flags wire.DumpFlags, set *replication.GTIDSet, file string, pos uint64) []byte {
	d := wire.BinlogDumpGTID{Flags: flags, ServerID: 902, File: file, Position: pos, GTIDSet: set.AppendWire(nil)}
	return d.Append(nil)
}

// frame is one packet as it came: its number and payload. Of a long payload the
// middle is kept as a sum.
type frame struct {
	sequence byte
	length   int
	payload  string
}

// answer is all that a server sent, and how it ended.
type answer struct {
	frames []frame
	end    string // "closed" or "open"
}

// session logs in, makes a declaration and hands over the connection.
func session(ctx context.Context, addr, sets string) (net.Conn, error) {
	c, err := dial.Open(ctx, dial.Options{Addr: addr, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword})
	if err != nil {
		return nil, err
	}
	if sets != "" {
		if _, err := c.Query(ctx, sets); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	nc, err := c.Takeover()
	if err != nil {
		return nil, err
	}
	return nc, nc.SetDeadline(time.Now().Add(30 * time.Second))
}

// ask sends a dump command and reads until the server has said its last word.
func ask(ctx context.Context, addr string, c dumpCase) (answer, error) {
	var a answer
	nc, err := session(ctx, addr, c.sets)
	if err != nil {
		return a, err
	}
	defer nc.Close()
	if err := sendCommand(nc, c.command); err != nil {
		return a, err
	}
	for continued := false; ; {
		f, err := readFrame(nc)
		if err != nil {
			return a, fmt.Errorf("behind %d packets: %w", len(a.frames), err)
		}
		a.frames = append(a.frames, f)
		last := !continued && f.payload[0] != 0
		if continued = f.length == wire.MaxPart; last {
			break
		}
	}
	a.end, err = ending(nc, &a.frames[len(a.frames)-1])
	return a, err
}

func sendCommand(nc net.Conn, payload []byte) error {
	conn := wire.NewConn(nc)
	return errors.Join(conn.WritePacket(payload), conn.Flush())
}

const keptWhole = 1 << 16

func readFrame(r io.Reader) (frame, error) {
	var header [wire.HeaderLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	f := frame{sequence: header[3], length: int(header[0]) | int(header[1])<<8 | int(header[2])<<16}
	head := make([]byte, min(f.length, keptWhole))
	if _, err := io.ReadFull(r, head); err != nil {
		return f, err
	}
	sum := sha256.New()
	if n, err := io.CopyN(sum, r, int64(f.length-len(head))); err != nil {
		return f, fmt.Errorf("after %d bytes more: %w", n, err)
	}
	if f.length > keptWhole {
		head = sum.Sum(head)
	}
	f.payload = string(head)
	return f, nil
}

// ending finds out whether the last packet has closed the connection, and clears
// what depends on how long the dump took.
func ending(nc net.Conn, last *frame) (string, error) {
	if last.payload[0] == 0xfe {
		last.payload = last.payload[:4] + string(last.payload[4]&^byte(wire.StatusSlowQuery>>8))
	} else if e, err := wire.DecodeError([]byte(last.payload)); err == nil && e.Number != wire.ERMasterFatalReadingLog {
		if err := sendCommand(nc, []byte{byte(wire.ComPing)}); err != nil {
			return "", err
		}
	}
	switch f, err := readFrame(nc); {
	case err == io.EOF:
		return "closed", nil
	case err != nil:
		return "", fmt.Errorf("instead of FIN: %w", err)
	case f.payload[0] != 0:
		return "", fmt.Errorf("%q instead of OK", f.payload)
	}
	return "open", nil
}

// compare puts a case to both and reports the first difference.
func (c dumpCase) compare(t *testing.T, primary, proxy string) {
	t.Helper()
	var answers [2]answer
	var errs [2]error
	var wg sync.WaitGroup
	for i, addr := range []string{primary, proxy} {
		wg.Go(func() { answers[i], errs[i] = ask(t.Context(), addr, c) })
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Errorf("mysqld: %v\nproxy: %v", errs[0], errs[1])
		return
	}
	want, got := answers[0], answers[1]
	adapt(&want)
	if c.differs != nil {
		c.differs(t, &want)
	}
	for i := range max(len(want.frames), len(got.frames)) {
		if i >= len(want.frames) || i >= len(got.frames) || want.frames[i] != got.frames[i] {
			t.Errorf("packet %d of %d and %d\n mysqld %s\n proxy  %s", i, len(want.frames), len(got.frames), show(want.frames, i), show(got.frames, i))
			return
		}
	}
	if want.end != got.end {
		t.Errorf("mysqld leaves the connection %s, the proxy %s", want.end, got.end)
	}
}

// adapt makes of mysqld's answer what the proxy's is meant to be where the two
// differ on purpose.
func adapt(a *answer) {
	for i, f := range a.frames {
		// Heartbeats are of version 1 unless the position needs 64 bits: clients of other
		// families set the flag for something else.
		if f.payload[0] == 0 && f.payload[5] == byte(replication.HeartbeatV2Event) {
			hb, err := replication.ParseHeartbeat([]byte(f.payload[1:]), replication.ChecksumCRC32)
			h, _ := replication.ParseHeader([]byte(f.payload[1:]))
			if err == nil {
				f.payload = "\x00" + string(replication.AppendHeartbeat(nil, h.ServerID, hb, replication.ChecksumCRC32))
				f.length = len(f.payload)
			}
		}
		// An impossible size is bogus, whether too small or too large.
		if f.payload[0] == 0xff {
			f.payload = strings.Replace(f.payload, "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source", "bogus data in log event", 1)
			f.length = len(f.payload)
		}
		a.frames[i] = f
	}
	// A command that was refused leaves the connection open: its next one may be right.
	last := a.frames[len(a.frames)-1].payload
	if e, err := wire.DecodeError([]byte(last)); err == nil && (e.Number == wire.ERMalformedPacket || e.Number == wire.ERMalformedGTIDSet) {
		a.end = "open"
	}
}

func show(frames []frame, i int) string {
	if i >= len(frames) {
		return "nothing more"
	}
	f := frames[i]
	text := fmt.Sprintf("seq %d, %d bytes: ", f.sequence, f.length)
	if h, err := replication.ParseHeader([]byte(f.payload[1:])); f.payload[0] == 0 && err == nil {
		return text + fmt.Sprintf("%+v %x", h, f.payload[1:min(len(f.payload), 200)])
	}
	return text + fmt.Sprintf("%q", f.payload[:min(len(f.payload), 700)])
}

// eventStarts lists where events of a primary's file begin, and its end.
func eventStarts(t *testing.T, m *testenv.MySQL, name string) []int64 {
	t.Helper()
	var file bytes.Buffer
	if err := m.ReadBinlog(t.Context(), name, &file); err != nil {
		t.Fatal(err)
	}
	starts := []int64{replication.FirstEventOffset}
	for at := int64(replication.FirstEventOffset); at < int64(file.Len()); {
		h, err := replication.ParseHeader(file.Bytes()[at:])
		if err != nil {
			t.Fatal(err)
		}
		at += int64(h.Size)
		starts = append(starts, at)
	}
	return starts
}

func gtidSet(t *testing.T, text string) *replication.GTIDSet {
	t.Helper()
	set, err := replication.ParseGTIDSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// history writes three files with each kind of transaction, in one session.
func history(t *testing.T, m *testenv.MySQL) {
	t.Helper()
	conn, err := m.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range strings.Split(strings.TrimSpace(`
		CREATE DATABASE d
		CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB)
		INSERT INTO d.t VALUES (1, 'a'), (2, 'b')
		SET gtid_next = 'AUTOMATIC:tag_one'
		INSERT INTO d.t VALUES (3, 'tagged')
		UPDATE d.t SET b = 'tagged again'
		SET gtid_next = 'AUTOMATIC'
		FLUSH BINARY LOGS
		BEGIN
		INSERT INTO d.t VALUES (4, REPEAT('x', 20000))
		DELETE FROM d.t WHERE id = 1
		COMMIT
		SET binlog_transaction_compression = ON
		INSERT INTO d.t VALUES (5, REPEAT('compressed', 1000))
		SET binlog_transaction_compression = OFF
		XA START 'x'
		INSERT INTO d.t VALUES (6, 'xa')
		XA END 'x'
		XA PREPARE 'x'
		XA COMMIT 'x'
		SET binlog_format = STATEMENT
		INSERT INTO d.t (b) VALUES (RAND())
		SET binlog_format = ROW
		FLUSH BINARY LOGS
		INSERT INTO d.t VALUES (100, REPEAT('y', 400000))
		INSERT INTO d.t VALUES (101, 'z')`), "\n") {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestDumpsAreThoseOfMySQL(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	history(t, primary)
	d := startDaemon(t, primary.Addr())
	restartServer(t, primary)
	execute(t, primary, "INSERT INTO d.t VALUES (200, 'later')", "INSERT INTO d.t VALUES (201, 'later')")
	caughtUp(t, d, primary)
	run := func(cases []dumpCase) {
		t.Helper()
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { c.compare(t, primary.Addr(), d.Listen()) })
		}
	}
	run(fileCases(t, primary))
	run(gtidCases(t, primary))
}

func fileCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	files, err := m.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, second, last := files[0].Name, files[1].Name, files[len(files)-1]
	end := uint32(last.Size)
	cases := []dumpCase{
		{name: "file/first", sets: crc32, command: byFile(nonBlock, first, 4)},
		{name: "file/no name", sets: crc32, command: byFile(nonBlock, "", 4)},
		{name: "file/with a directory", sets: crc32, command: byFile(nonBlock, "./"+second, 4)},
		{name: "file/with a NUL", sets: crc32, command: append(byFile(nonBlock, second, 4), 0)},
		{name: "file/NUL as a name", sets: crc32, command: append(byFile(nonBlock, "", 4), 0, 0, 0)},
		{name: "file/unknown", sets: crc32, command: byFile(nonBlock, "binlog.000099", 4)},
		{name: "file/unknown at 0", sets: crc32, command: byFile(nonBlock, "binlog.000099", 0)},
		{name: "file/of another name", sets: crc32, command: byFile(nonBlock, "nosuch", 4)},
		{name: "file/at the end", sets: crc32, command: byFile(nonBlock, last.Name, end)},
		{name: "file/at the end of a closed file", sets: crc32, command: byFile(nonBlock, first, uint32(files[0].Size))},
		{name: "file/beyond the end", sets: crc32, command: byFile(nonBlock, last.Name, end+1)},
		{name: "file/beyond the end of a closed file", sets: crc32, command: byFile(nonBlock, first, uint32(files[0].Size)+1)},
		{name: "file/far beyond the end", sets: crc32, command: byFile(nonBlock, last.Name, 1<<32-1)},
		{name: "file/server_id 0", sets: crc32, command: (&wire.BinlogDump{Position: 4, File: second}).Append(nil)},
		{name: "file/truncated", sets: crc32, command: byFile(nonBlock, "", 4)[:10]},
		{name: "file/only the command", sets: crc32, command: byFile(nonBlock, "", 4)[:1]},
	}
	for _, pos := range []uint32{0, 1, 3} {
		cases = append(cases, dumpCase{name: fmt.Sprint("file/position ", pos), sets: crc32, command: byFile(nonBlock, second, pos)},
			dumpCase{name: fmt.Sprint("file/no name, position ", pos), sets: crc32, command: byFile(nonBlock, "", pos)})
	}
	for _, flags := range []wire.DumpFlags{2, 4, 0x10, 0x8000} {
		cases = append(cases, dumpCase{name: fmt.Sprintf("file/flags %#x", uint16(flags)), sets: crc32, command: byFile(nonBlock|flags, second, 4)})
	}
	for name, sets := range map[string]string{"NONE": none, "old name": oldName, "rubbish": rubbish, "NULL": null, "undeclared": undeclared} {
		cases = append(cases, dumpCase{name: "file/checksum " + name, sets: sets, command: byFile(nonBlock, second, 4)})
	}
	starts := eventStarts(t, m, second)
	for _, at := range starts {
		for _, shift := range []int64{0, 1, 19} {
			cases = append(cases, dumpCase{name: fmt.Sprintf("file/at %d+%d", at, shift), sets: crc32, command: byFile(nonBlock, second, uint32(at+shift))})
		}
		cases = append(cases, dumpCase{name: fmt.Sprint("file/undeclared at ", at), sets: undeclared, command: byFile(nonBlock, second, uint32(at))})
	}
	return cases
}

func gtidCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	files, err := m.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, second, last := files[0].Name, files[1].Name, files[len(files)-1]
	text, err := m.GTIDExecuted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	uuid, err := m.ServerUUID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(text)
	all, empty := gtidSet(t, text), gtidSet(t, "")
	var cases []dumpCase
	for name, set := range map[string]*replication.GTIDSet{
		"nothing": empty, "everything": all,
		"the first":               gtidSet(t, uuid+":1"),
		"a prefix":                gtidSet(t, uuid+":1-4"),
		"holes":                   gtidSet(t, uuid+":2:4-5:7"),
		"all untagged":            gtidSet(t, uuid+":1-9"),
		"a tag":                   gtidSet(t, uuid+":tag_one:1"),
		"tag and hole":            gtidSet(t, uuid+":1-3:6:tag_one:2"),
		"the last lacking":        all.Subtract(gtidSet(t, uuid+":9")),
		"the first lacking":       all.Subtract(gtidSet(t, uuid+":1")),
		"another server's":        gtidSet(t, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-7:x:3"),
		"more, of another server": all.Union(gtidSet(t, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-7")),
		"more":                    all.Union(gtidSet(t, uuid+":100")),
		"more, tagged":            all.Union(gtidSet(t, uuid+":new:1")),
	} {
		cases = append(cases,
			dumpCase{name: "gtid/" + name, sets: crc32, command: byGTID(nonBlock, set, "", 4)},
			dumpCase{name: "gtid/named/" + name, sets: crc32, command: byGTID(nonBlock, set, second, 4)},
			dumpCase{name: "gtid/none/" + name, sets: none, command: byGTID(nonBlock, set, "", 4)},
			dumpCase{name: "gtid/v2/" + name, sets: crc32, command: byGTID(nonBlock|2, set, "", 4)},
		)
	}
	for _, at := range eventStarts(t, m, second) {
		cases = append(cases,
			dumpCase{name: fmt.Sprint("gtid/named/nothing at ", at), sets: crc32, command: byGTID(nonBlock, empty, second, uint64(at))},
			dumpCase{name: fmt.Sprint("gtid/named/everything at ", at), sets: crc32, command: byGTID(nonBlock, all, second, uint64(at))},
			dumpCase{name: fmt.Sprint("gtid/named/nothing behind ", at), sets: crc32, command: byGTID(nonBlock, empty, second, uint64(at)+1)},
		)
	}
	truncated := byGTID(nonBlock, empty, first, 4)
	return append(cases,
		dumpCase{name: "gtid/undeclared", sets: undeclared, command: byGTID(nonBlock, all, "", 4)},
		dumpCase{name: "gtid/named/first", sets: crc32, command: byGTID(nonBlock, empty, first, 4)},
		dumpCase{name: "gtid/named/unknown", sets: crc32, command: byGTID(nonBlock, empty, "binlog.000099", 4)},
		dumpCase{name: "gtid/named/end", sets: crc32, command: byGTID(nonBlock, empty, last.Name, uint64(last.Size))},
		dumpCase{name: "gtid/named/beyond", sets: crc32, command: byGTID(nonBlock, empty, last.Name, uint64(last.Size)+1)},
		dumpCase{name: "gtid/named/far beyond", sets: crc32, command: byGTID(nonBlock, empty, last.Name, 1<<40)},
		dumpCase{name: "gtid/named/farthest", sets: crc32, command: byGTID(nonBlock, empty, last.Name, 1<<64-1)},
		dumpCase{name: "gtid/named/0", sets: crc32, command: byGTID(nonBlock, empty, last.Name, 0)},
		dumpCase{name: "gtid/at 0", sets: crc32, command: byGTID(nonBlock, empty, "", 0)},
		dumpCase{name: "gtid/at 200", sets: crc32, command: byGTID(nonBlock, empty, "", 200)},
		dumpCase{name: "gtid/malformed", sets: crc32, command: (&wire.BinlogDumpGTID{Flags: 1, Position: 4, GTIDSet: []byte{1, 2, 3}}).Append(nil)},
		dumpCase{name: "gtid/no set", sets: crc32, command: (&wire.BinlogDumpGTID{Flags: 1, Position: 4}).Append(nil)},
		dumpCase{name: "gtid/set too short", sets: crc32, command: (&wire.BinlogDumpGTID{Flags: 1, Position: 4, GTIDSet: []byte{1, 0, 0, 0, 0, 0, 0, 0}}).Append(nil)},
		dumpCase{name: "gtid/truncated name", sets: crc32, command: truncated[:15]},
		dumpCase{name: "gtid/truncated set", sets: crc32, command: truncated[:len(truncated)-1]},
		dumpCase{name: "gtid/truncated flags", sets: crc32, command: truncated[:2]},
	)
}

// restartServer gives a file that ends with STOP, and one whose FORMAT_DESCRIPTION
// tells replicas to drop their temporary tables.
func restartServer(t *testing.T, m *testenv.MySQL) {
	t.Helper()
	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}
