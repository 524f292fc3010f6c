package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
)

// dumpCase is a dump command and what the client declares before it.
type dumpCase struct {
	name    string
	declare string
	command []byte // payload

	deviates *deviation // that the answers may show
	instead  []byte     // what mysqld is asked where the proxy takes the command for another
}

// Declarations about checksums.
const (
	crc32      = "SET @source_binlog_checksum = 'CRC32'"
	none       = "SET @source_binlog_checksum = 'NONE'"
	undeclared = ""
)

var declarations = []struct{ name, declare string }{
	{"CRC32", crc32}, {"NONE", none}, {"undeclared", undeclared},
	{"NULL", "SET @source_binlog_checksum = NULL"},
	{"rubbish", "SET @source_binlog_checksum = 'ALL'"},
	{"old name", "SET @master_binlog_checksum = @@global.binlog_checksum"},
}

const nonBlock = wire.DumpNonBlock

func byFile(flags wire.DumpFlags, file string, pos int64) []byte {
	d := wire.BinlogDump{Position: uint32(pos), Flags: flags, ServerID: 901, File: file}
	return d.Append(nil)
}

func byGTID(flags wire.DumpFlags, set *replication.GTIDSet, file string, pos int64) []byte {
	d := wire.BinlogDumpGTID{Flags: flags, ServerID: 902, File: file, Position: uint64(pos), GTIDSet: set.AppendWire(nil)}
	return d.Append(nil)
}

// gtidDumpNamed names the file of a dump by an empty GTID set with bytes that the
// encoder would not send.
func gtidDumpNamed(flags wire.DumpFlags, serverID uint32, name string) []byte {
	d := wire.BinlogDumpGTID{Flags: flags, ServerID: serverID, File: strings.Repeat("x", len(name)), Position: 4, GTIDSet: make([]byte, 8)}
	return bytes.Replace(d.Append(nil), []byte(d.File), []byte(name), 1)
}

// variableCases declare one thing in several ways, or several things at once.
func variableCases(t *testing.T, m *testenv.MySQL) (cases []dumpCase) {
	file := binlogFiles(t, m)[1]
	for _, declare := range []string{
		"SET @source_binlog_checksum = 'NONE', @master_binlog_checksum = 'CRC32'", "SET @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'NONE'",
		"SET @source_binlog_checksum = NULL, @master_binlog_checksum = 'CRC32'", "SET @source_binlog_checksum = '', @master_binlog_checksum = 'CRC32'",
		"SET @source_binlog_checksum = 'crc32'", "SET @master_binlog_checksum = ''", "SET @source_binlog_checksum = 1", "SET @source_binlog_checksum = 0",
		"SET @SOURCE_BINLOG_CHECKSUM = 'CRC32'", "SET @source_binlog_checksum = ' CRC32'", "SET @source_binlog_checksum = 2",
		"SET @source_binlog_checksum = 'CRC32', @rpl_semi_sync_replica = 1", "SET @source_binlog_checksum = 'CRC32', @rpl_semi_sync_slave = 1",
		"SET @source_binlog_checksum = 'CRC32', @source_heartbeat_period = 'soon'", "SET @source_binlog_checksum = 'CRC32', @source_heartbeat_period = -1",
		"SET @source_binlog_checksum = 'CRC32', @replica_uuid = uuid()",
	} {
		cases = append(cases, dumpCase{name: "4.2.9 " + declare, declare: declare, command: byFile(nonBlock, file.Name, 4)})
	}
	return cases
}

// eachKindOfTransaction writes three files, in one session.
func eachKindOfTransaction(t *testing.T, m *testenv.MySQL) {
	t.Helper()
	conn, err := m.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for statement := range strings.Lines(`CREATE DATABASE d
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
		INSERT INTO d.t VALUES (100, REPEAT('larger than a read buffer', 16000))
		INSERT INTO d.t VALUES (101, 'z')`) {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// restartServer gives a file that ends with STOP, and one whose FORMAT_DESCRIPTION
// tells replicas to drop their temporary tables.
func restartServer(t *testing.T, m *testenv.MySQL) {
	t.Helper()
	if err := errors.Join(m.Stop(t.Context()), m.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func fileCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	files := binlogFiles(t, m)
	first, second, last := files[0], files[1], files[len(files)-1]
	cases := []dumpCase{
		{name: "4.2.2 empty name, file, undeclared", command: byFile(nonBlock, "", 4)},
		{name: "4.2.6 server_id 0, file", declare: crc32, command: (&wire.BinlogDump{Position: 4, File: second.Name}).Append(nil)},
	}
	add := func(name string, command []byte) {
		cases = append(cases, dumpCase{name: name, declare: crc32, command: command})
	}
	add("5.1 first", byFile(nonBlock, first.Name, 4))
	add("4.2.2 empty name, file", byFile(nonBlock, "", 4))
	add("4.2.1 ./ before the name, file", byFile(nonBlock, "./"+second.Name, 4))
	add("4.2.1 directories before the name, file", byFile(nonBlock, "/no/such/"+second.Name, 4))
	add("4.2.1 NUL behind the name, file", append(byFile(nonBlock, second.Name, 4), 0))
	add("4.2.1 more behind the NUL, file", append(byFile(nonBlock, second.Name, 4), "\x00more"...))
	add("4.2.1 name 00 00 00, file", append(byFile(nonBlock, "", 4), 0, 0, 0))
	add("5.9 unknown file", byFile(nonBlock, "binlog.000099", 4))
	add("5.9 unknown file at 0", byFile(nonBlock, "binlog.000099", 0))
	add("5.9 file of another kind", byFile(nonBlock, "nosuch", 4))
	add("5.3 behind the first transaction", byFile(nonBlock, first.Name, eventStarts(t, m, first.Name)[3]))
	add("5.1 end of the last", byFile(nonBlock, last.Name, last.Size))
	add("5.1 end of the first", byFile(nonBlock, first.Name, first.Size))
	add("5.9 position > size, last", byFile(nonBlock, last.Name, last.Size+1))
	add("5.9 position > size, first", byFile(nonBlock, first.Name, first.Size+1))
	add("5.9 position far > size", byFile(nonBlock, last.Name, 1<<32-1))
	add("5.9 within the last header", byFile(nonBlock, last.Name, last.Size-10))
	for _, pos := range []int64{0, 1, 3} {
		add(fmt.Sprint("5.9 position < 4: ", pos), byFile(nonBlock, second.Name, pos))
		add(fmt.Sprint("5.9 empty name, position < 4: ", pos), byFile(nonBlock, "", pos))
	}
	for _, flags := range []wire.DumpFlags{wire.DumpHeartbeatV2, wire.DumpThroughGTID, 0x10, 0x8000} {
		add(fmt.Sprintf("4.2.6 flags %#x, file", uint16(flags)), byFile(nonBlock|flags, second.Name, 4))
	}
	for _, at := range eventStarts(t, m, second.Name) {
		add(fmt.Sprint("5.3 from ", at), byFile(nonBlock, second.Name, at))
	}
	for _, at := range withinEvents(t, m, second.Name) {
		add(fmt.Sprint("5.9 within an event, file, at ", at), byFile(nonBlock, second.Name, at))
	}
	for _, d := range declarations {
		cases = append(cases,
			dumpCase{name: "5.4 " + d.name + ", file with CRC32", declare: d.declare, command: byFile(nonBlock, second.Name, 4)},
			dumpCase{name: "5.4 " + d.name + ", file with CRC32, from its end", declare: d.declare, command: byFile(nonBlock, second.Name, second.Size)})
	}
	return cases
}

func gtidCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	files, all := binlogFiles(t, m), executed(t, m)
	second, last := files[1], files[len(files)-1]
	uuid, err := m.ServerUUID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set := func(numbers string) *replication.GTIDSet { return gtidSet(t, uuid+":"+numbers) }
	foreign, nothing := gtidSet(t, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-7:x:3"), gtidSet(t, "")
	cases := []dumpCase{
		{name: "5.4 undeclared, GTID", command: byGTID(nonBlock, all, "", 4)},
		{name: "4.2.7 malformed set", command: (&wire.BinlogDumpGTID{Flags: nonBlock, Position: 4, GTIDSet: []byte{1, 2, 3}}).Append(nil)},
		{name: "4.2.7 set without end", command: (&wire.BinlogDumpGTID{Flags: nonBlock, Position: 4, GTIDSet: []byte{1, 0, 0, 0, 0, 0, 0, 0}}).Append(nil)},
		{name: "4.2.7 no set", command: (&wire.BinlogDumpGTID{Flags: nonBlock, Position: 4}).Append(nil)},
		// An offset means nothing in a file that the server has yet to choose.
		{name: "4.2.5 position 0 without a name", declare: crc32, deviates: positionIgnored, command: byGTID(nonBlock, set("1"), "", 0), instead: byGTID(nonBlock, set("1"), "", 4)},
		{name: "4.2.5 position 200 without a name", declare: crc32, deviates: positionIgnored, command: byGTID(nonBlock, set("1"), "", 200), instead: byGTID(nonBlock, set("1"), "", 4)},
	}
	add := func(name string, command []byte) {
		cases = append(cases, dumpCase{name: name, declare: crc32, command: command})
	}
	for _, s := range []struct {
		name string
		set  *replication.GTIDSet
	}{
		{"nothing", nothing}, {"everything", all}, {"the first", set("1")}, {"a prefix", set("1-4")}, {"holes", set("2:4-5:7")},
		{"no tags", all.Subtract(set("tag_one:1-2"))}, {"a tag", set("tag_one:1")}, {"tag and hole", set("1-3:6:tag_one:2")},
		{"all but the last", all.Subtract(set("12"))}, {"all but the first", all.Subtract(set("1"))},
		{"another server's", foreign}, {"more of another server", all.Union(foreign)},
		{"more", all.Union(set("100"))}, {"more with a new tag", all.Union(set("new:1"))},
	} {
		add("4.2.3 empty name, GTID, "+s.name, byGTID(nonBlock, s.set, "", 4))
		add("4.2.4 name given, GTID, "+s.name, byGTID(nonBlock, s.set, second.Name, 4))
		cases = append(cases, dumpCase{name: "5.6 heartbeats v2, " + s.name, declare: crc32, deviates: heartbeatsV1,
			command: byGTID(nonBlock|wire.DumpHeartbeatV2, s.set, "", 4)})
		cases = append(cases, dumpCase{name: "5.4 NONE, GTID, " + s.name, declare: none, command: byGTID(nonBlock, s.set, "", 4)})
	}
	for _, at := range eventStarts(t, m, second.Name) {
		add(fmt.Sprint("4.2.4 nothing, from ", at), byGTID(nonBlock, nothing, second.Name, at))
		add(fmt.Sprint("4.2.4 everything, from ", at), byGTID(nonBlock, all, second.Name, at))
	}
	for _, at := range withinEvents(t, m, second.Name) {
		add(fmt.Sprint("5.9 within an event, GTID, at ", at), byGTID(nonBlock, nothing, second.Name, at))
	}
	for _, f := range []testenv.BinlogFile{files[0], last} { // created is set in both
		at := eventStarts(t, m, f.Name)[3]
		add("5.3 everything, within "+f.Name, byGTID(nonBlock, all, f.Name, at))
		add("5.3 nothing, within "+f.Name, byGTID(nonBlock, nothing, f.Name, at))
		add("5.3 everything, "+f.Name, byGTID(nonBlock, all, f.Name, 4))
	}
	add("5.9 unknown file, GTID", byGTID(nonBlock, nothing, "binlog.000099", 4))
	add("4.2.1 ./ before the name, GTID", byGTID(nonBlock, nothing, "./"+second.Name, 4))
	add("4.2.1 NUL behind the name, GTID", gtidDumpNamed(nonBlock, 902, second.Name+"\x00more"))
	add("4.2.1 name 00 00 00, GTID", gtidDumpNamed(nonBlock, 902, "\x00\x00\x00"))
	add("4.2.6 server_id 0, GTID", (&wire.BinlogDumpGTID{File: second.Name, Position: 4, GTIDSet: make([]byte, 8)}).Append(nil))
	add("4.2.6 flags 0x4, GTID", byGTID(nonBlock|wire.DumpThroughGTID, set("1-3"), "", 4))
	for _, at := range []int64{0, 3, last.Size, last.Size + 1, 1 << 40, -1} {
		add(fmt.Sprint("5.9 GTID, last at ", at), byGTID(nonBlock, nothing, last.Name, at))
	}
	return cases
}

// checksumCases have a file without checksums between two with.
func checksumCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	before := executed(t, m)
	for i, algorithm := range []string{"NONE", "CRC32"} {
		execute(t, m, "SET GLOBAL binlog_checksum = "+algorithm, fmt.Sprintf("INSERT INTO d.t VALUES (%d, 'a'), (%d, 'b')", 300+10*i, 301+10*i))
	}
	files := binlogFiles(t, m)
	without := files[len(files)-2]
	var cases []dumpCase
	for _, d := range declarations {
		for _, f := range files[len(files)-3:] {
			cases = append(cases, dumpCase{name: "5.4 " + d.name + ", from " + f.Name, declare: d.declare, command: byFile(nonBlock, f.Name, 4)})
		}
		cases = append(cases,
			dumpCase{name: "5.4 " + d.name + ", within a file with NONE", declare: d.declare, command: byFile(nonBlock, without.Name, eventStarts(t, m, without.Name)[2])},
			dumpCase{name: "5.4 " + d.name + ", GTID", declare: d.declare, command: byGTID(nonBlock, before, "", 4)},
			dumpCase{name: "5.4 " + d.name + ", file with NONE, skipping all", declare: d.declare, command: byGTID(nonBlock, executed(t, m), without.Name, 4)})
	}
	return cases
}

// largeCases have events around the size at which a packet is split, and one that
// is larger than any buffer.
func largeCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	overhead := rowOverhead(t, m, 400)
	name := newestFile(t, m).Name
	before := executed(t, m)
	var middle *replication.GTIDSet
	for i, size := range []int64{16777213, 16777214, 16777215, 16777216, 16777217, 40_000_000} {
		execute(t, m, fmt.Sprintf("INSERT INTO d.t VALUES (%d, REPEAT('x', %d))", 401+i, size-overhead))
		if i == 2 {
			middle = executed(t, m)
		}
	}
	return []dumpCase{
		{name: "5.11 by file", declare: crc32, command: byFile(nonBlock, name, 4)},
		{name: "5.11 skipping", declare: crc32, command: byGTID(nonBlock, middle.Subtract(before), name, 4)},
	}
}

// largeTail reads events around the size at which a packet is split as they are written.
func (b pair) largeTail(t *testing.T) {
	var answers [2][]frame
	var lines [2]*line
	overhead, end := rowOverhead(t, b.m, 430), newestFile(t, b.m)
	for i, addr := range []string{b.m.Addr(), b.proxy} {
		p := &peer{ctx: t.Context(), addr: addr, m: b.m}
		t.Cleanup(p.close)
		l, err := p.login(nil, crc32)
		if err == nil {
			err = sendCommand(l.nc, fromEnd(uint32(903+i), end))
		}
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = l
	}
	for i, size := range []int64{wire.MaxPart - 1, wire.MaxPart} { // the payload has one byte more
		execute(t, b.m, fmt.Sprintf("INSERT INTO d.t VALUES (%d, REPEAT('y', %d))", 431+i, size-overhead))
	}
	for i, l := range lines {
		if err := l.until(newestFile(t, b.m)); err != nil {
			t.Fatal(err)
		}
		answers[i] = l.p.notes
	}
	alike(t, nil, answers[0], answers[1])
}

// rowOverhead is what the rows event of a row of d.t has beside the bytes of b. It
// begins a file and writes the row of an id.
func rowOverhead(t *testing.T, m *testenv.MySQL, id int) int64 {
	t.Helper()
	const size = 1000
	execute(t, m, "FLUSH BINARY LOGS", fmt.Sprintf("INSERT INTO d.t VALUES (%d, REPEAT('x', %d))", id, size))
	starts := eventStarts(t, m, newestFile(t, m).Name)
	return starts[len(starts)-2] - starts[len(starts)-3] - size // behind it is only XID
}

func fromEnd(serverID uint32, of testenv.BinlogFile) []byte {
	d := wire.BinlogDump{Position: uint32(of.Size), ServerID: serverID, File: of.Name}
	return d.Append(nil)
}

// crashCases have a file that ends with neither ROTATE nor STOP.
func crashCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	execute(t, m, "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (380, 'before a crash')")
	crashed, before := newestFile(t, m), executed(t, m)
	if err := errors.Join(m.Kill(t.Context()), m.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	execute(t, m, "INSERT INTO d.t VALUES (381, 'after a crash')")
	return []dumpCase{
		{name: "5.1 across the end of a crashed file", declare: crc32, command: byFile(nonBlock, crashed.Name, 4)},
		{name: "5.1 from the end of a crashed file", declare: crc32, command: byFile(nonBlock, crashed.Name, crashed.Size)},
		{name: "5.5 skipping to the end of a crashed file", declare: crc32, command: byGTID(nonBlock, before, crashed.Name, 4)},
		{name: "5.5 skipping all around a crash", declare: crc32, command: byGTID(nonBlock, executed(t, m), crashed.Name, 4)},
	}
}

// anonymousCases have a file with a transaction that has no GTID, written while the
// server's mode allowed it. By file and position the proxy still serves it, mysqld does not.
func anonymousCases(t *testing.T, m *testenv.MySQL, d *child.Daemon) []dumpCase {
	before := executed(t, m)
	execute(t, m, "INSERT INTO d.t VALUES (499, 'with a GTID')", "SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = OFF_PERMISSIVE",
		"INSERT INTO d.t VALUES (500, 'anonymous')")
	caughtUp(t, d, m) // in mode ON the server would not send it any more
	execute(t, m, "SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = ON", "INSERT INTO d.t VALUES (501, 'with a GTID')")
	return []dumpCase{
		{name: "5.9 anonymous, file, gtid_mode ON", declare: crc32, command: byFile(nonBlock, newestFile(t, m).Name, 4), deviates: whateverTheMode},
		{name: "5.9 anonymous, GTID", declare: crc32, command: byGTID(nonBlock, executed(t, m), "", 4)},
		{name: "5.9 anonymous, GTID, behind others", declare: crc32, command: byGTID(nonBlock, before, "", 4)},
	}
}

// purgedCases ask for what neither the server nor the proxy has any more.
func purgedCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	files := binlogFiles(t, m)
	newest := files[len(files)-1].Name
	execute(t, m, "PURGE BINARY LOGS TO '"+newest+"'")
	cases := []dumpCase{
		{name: "5.9 purged file", declare: crc32, command: byFile(nonBlock, files[0].Name, 4)},
		{name: "4.2.2 empty name, file, purged", declare: crc32, command: byFile(nonBlock, "", 4)},
		{name: "4.2.3 everything, purged", declare: crc32, command: byGTID(nonBlock, executed(t, m), "", 4)},
		{name: "4.2.4 nothing, purged", declare: crc32, command: byGTID(nonBlock, gtidSet(t, ""), newest, 4)},
	}
	// The text of the error grows with the set, up to where mysqld leaves the sets out.
	text := "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1"
	for n := 3; n < 83; n += 2 {
		text += fmt.Sprint(":", n)
	}
	for n := int64(100); n < 1e18; n *= 10 {
		text := text + fmt.Sprint(":", n)
		cases = append(cases, dumpCase{name: fmt.Sprint("5.9 purged GTIDs, set of ", len(text)), declare: crc32, command: byGTID(nonBlock, gtidSet(t, text), "", 4)})
	}
	return append(cases, dumpCase{name: "5.9 purged GTIDs", declare: crc32, command: byGTID(nonBlock, gtidSet(t, ""), "", 4)})
}

// heartbeatsAlike follows both at the live tail through an idle time, a rotation
// and another idle time.
func heartbeatsAlike(t *testing.T, m *testenv.MySQL, proxy string) {
	for name, command := range map[string]func(testenv.BinlogFile) []byte{
		"5.6 by file":      func(f testenv.BinlogFile) []byte { return byFile(0, f.Name, f.Size) },
		"5.6 by GTID":      func(testenv.BinlogFile) []byte { return byGTID(0, executed(t, m), "", 4) },
		"5.6 v2 asked for": func(f testenv.BinlogFile) []byte { return byFile(wire.DumpHeartbeatV2, f.Name, f.Size) },
	} {
		t.Run(name, func(t *testing.T) {
			var followers [2]*follower
			c := dumpCase{declare: crc32 + ", @source_heartbeat_period = 50000000", command: command(newestFile(t, m))}
			for i, addr := range []string{m.Addr(), proxy} {
				nc, err := c.send(t.Context(), addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				followers[i] = &follower{nc: nc}
			}
			compare := func() {
				t.Helper()
				end := newestFile(t, m)
				want, got := followers[0].until(t, end, 3), followers[1].until(t, end, 3)
				if !slices.Equal(want, got) {
					t.Errorf("mysqld %q\nproxy  %q", want, got)
				}
			}
			compare()
			execute(t, m, "FLUSH BINARY LOGS", "UPDATE d.t SET b = UUID() WHERE id = 200")
			compare()
			want := replication.HeartbeatEvent
			if c.command[5]&byte(wire.DumpHeartbeatV2) != 0 && c.command[0] == byte(wire.ComBinlogDump) {
				want = replication.HeartbeatV2Event
			}
			if theirs, ours := followers[0].beat, followers[1].beat; theirs != want || ours != replication.HeartbeatEvent {
				t.Errorf("heartbeats of mysqld are %s, of the proxy %s", theirs, ours)
			}
		})
	}
}
