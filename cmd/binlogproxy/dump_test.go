package main

import (
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

// TestDumpsAreThoseOfMySQL puts the same dump commands to a real server and to the
// proxy that follows it, and compares what comes packet by packet: sequence
// numbers, sizes and bytes. What differs on purpose is in adapt and dumpCase.instead.
func TestDumpsAreThoseOfMySQL(t *testing.T) {
	m := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, m.Addr())
	phase := func(name string, cases func(*testing.T, *testenv.MySQL) []dumpCase) {
		t.Run(name, func(t *testing.T) {
			all := cases(t, m)
			caughtUp(t, d, m)
			for _, c := range all {
				t.Run(c.name, func(t *testing.T) { c.compare(t, m.Addr(), d.Listen()) })
			}
		})
	}
	eachKindOfTransaction(t, m)
	restartServer(t, m)
	execute(t, m, "INSERT INTO d.t VALUES (200, 'later'), (201, 'later')", "INSERT INTO d.t VALUES (202, 'latest')")
	phase("file", fileCases)
	phase("gtid", gtidCases)
	t.Run("heartbeats", func(t *testing.T) { heartbeatsAlike(t, m, d.Listen()) })
	phase("checksum", checksumCases)
	phase("large", largeCases)
	phase("anonymous", func(t *testing.T, m *testenv.MySQL) []dumpCase { return anonymousCases(t, m, d) })

	execute(t, m, "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (900, 'newest')")
	late := startDaemon(t, m.Addr(), "--from=newest", "--server-id=4243")
	caughtUp(t, late, m)
	for _, c := range purgedCases(t, m) {
		t.Run("purged/"+c.name, func(t *testing.T) { c.compare(t, m.Addr(), late.Listen()) })
	}
}

// dumpCase is a dump command and what the client declares before it.
type dumpCase struct {
	name    string
	declare string
	command []byte // payload
	instead []byte // what mysqld is asked where the proxy takes the command for another
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
	truncated := byFile(nonBlock, "", 4)
	cases := []dumpCase{
		{name: "no name, undeclared", command: byFile(nonBlock, "", 4)},
		{name: "server_id 0", declare: crc32, command: (&wire.BinlogDump{Position: 4, File: second.Name}).Append(nil)},
		{name: "truncated", command: truncated[:10]},
		{name: "only the command", command: truncated[:1]},
	}
	add := func(name string, command []byte) {
		cases = append(cases, dumpCase{name: name, declare: crc32, command: command})
	}
	add("first", byFile(nonBlock, first.Name, 4))
	add("no name", byFile(nonBlock, "", 4))
	add("with a directory", byFile(nonBlock, "./"+second.Name, 4))
	add("with a NUL", append(byFile(nonBlock, second.Name, 4), 0))
	add("NUL as a name", append(byFile(nonBlock, "", 4), 0, 0, 0))
	add("unknown", byFile(nonBlock, "binlog.000099", 4))
	add("unknown at 0", byFile(nonBlock, "binlog.000099", 0))
	add("of another kind", byFile(nonBlock, "nosuch", 4))
	add("behind the first transaction", byFile(nonBlock, first.Name, eventStarts(t, m, first.Name)[3]))
	add("end of the last", byFile(nonBlock, last.Name, last.Size))
	add("end of the first", byFile(nonBlock, first.Name, first.Size))
	add("beyond the last", byFile(nonBlock, last.Name, last.Size+1))
	add("beyond the first", byFile(nonBlock, first.Name, first.Size+1))
	add("far beyond", byFile(nonBlock, last.Name, 1<<32-1))
	add("within the last header", byFile(nonBlock, last.Name, last.Size-10))
	for _, pos := range []int64{0, 1, 3} {
		add(fmt.Sprint("position ", pos), byFile(nonBlock, second.Name, pos))
		add(fmt.Sprint("no name, position ", pos), byFile(nonBlock, "", pos))
	}
	for _, flags := range []wire.DumpFlags{wire.DumpHeartbeatV2, wire.DumpThroughGTID, 0x10, 0x8000} {
		add(fmt.Sprintf("flags %#x", uint16(flags)), byFile(nonBlock|flags, second.Name, 4))
	}
	for _, at := range eventStarts(t, m, second.Name) {
		add(fmt.Sprint("from ", at), byFile(nonBlock, second.Name, at))
	}
	for _, at := range withinEvents(t, m, second.Name) {
		add(fmt.Sprint("within an event at ", at), byFile(nonBlock, second.Name, at))
	}
	for _, d := range declarations {
		cases = append(cases,
			dumpCase{name: d.name, declare: d.declare, command: byFile(nonBlock, second.Name, 4)},
			dumpCase{name: d.name + ", later", declare: d.declare, command: byFile(nonBlock, second.Name, second.Size)})
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
	truncated := byGTID(nonBlock, nothing, second.Name, 4)
	cases := []dumpCase{
		{name: "undeclared", command: byGTID(nonBlock, all, "", 4)},
		{name: "malformed set", command: (&wire.BinlogDumpGTID{Flags: nonBlock, Position: 4, GTIDSet: []byte{1, 2, 3}}).Append(nil)},
		{name: "set without end", command: (&wire.BinlogDumpGTID{Flags: nonBlock, Position: 4, GTIDSet: []byte{1, 0, 0, 0, 0, 0, 0, 0}}).Append(nil)},
		{name: "no set", command: (&wire.BinlogDumpGTID{Flags: nonBlock, Position: 4}).Append(nil)},
		{name: "truncated flags", command: truncated[:2]},
		{name: "truncated name", command: truncated[:15]},
		{name: "truncated set", command: truncated[:len(truncated)-1]},
		// An offset means nothing in a file that the server has yet to choose.
		{name: "position 0", declare: crc32, command: byGTID(nonBlock, set("1"), "", 0), instead: byGTID(nonBlock, set("1"), "", 4)},
		{name: "position 200", declare: crc32, command: byGTID(nonBlock, set("1"), "", 200), instead: byGTID(nonBlock, set("1"), "", 4)},
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
		add(s.name, byGTID(nonBlock, s.set, "", 4))
		add(s.name+", named", byGTID(nonBlock, s.set, second.Name, 4))
		add(s.name+", heartbeats v2", byGTID(nonBlock|wire.DumpHeartbeatV2, s.set, "", 4))
		cases = append(cases, dumpCase{name: s.name + ", NONE", declare: none, command: byGTID(nonBlock, s.set, "", 4)})
	}
	for _, at := range eventStarts(t, m, second.Name) {
		add(fmt.Sprint("nothing, from ", at), byGTID(nonBlock, nothing, second.Name, at))
		add(fmt.Sprint("everything, from ", at), byGTID(nonBlock, all, second.Name, at))
	}
	for _, at := range withinEvents(t, m, second.Name) {
		add(fmt.Sprint("within an event at ", at), byGTID(nonBlock, nothing, second.Name, at))
	}
	for _, f := range []testenv.BinlogFile{files[0], last} { // created is set in both
		at := eventStarts(t, m, f.Name)[3]
		add("everything, within "+f.Name, byGTID(nonBlock, all, f.Name, at))
		add("nothing, within "+f.Name, byGTID(nonBlock, nothing, f.Name, at))
		add("everything, "+f.Name, byGTID(nonBlock, all, f.Name, 4))
	}
	add("unknown", byGTID(nonBlock, nothing, "binlog.000099", 4))
	for _, at := range []int64{0, 3, last.Size, last.Size + 1, 1 << 40, -1} {
		add(fmt.Sprint("nothing, last at ", at), byGTID(nonBlock, nothing, last.Name, at))
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
			cases = append(cases, dumpCase{name: d.name + " from " + f.Name, declare: d.declare, command: byFile(nonBlock, f.Name, 4)})
		}
		cases = append(cases,
			dumpCase{name: d.name + " within", declare: d.declare, command: byFile(nonBlock, without.Name, eventStarts(t, m, without.Name)[2])},
			dumpCase{name: d.name + " skipping nothing", declare: d.declare, command: byGTID(nonBlock, before, "", 4)},
			dumpCase{name: d.name + " skipping all", declare: d.declare, command: byGTID(nonBlock, executed(t, m), without.Name, 4)})
	}
	return cases
}

// largeCases have events around the size at which a packet is split, and one that
// is larger than any buffer.
func largeCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	execute(t, m, "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (400, REPEAT('x', 1000))")
	files := binlogFiles(t, m)
	name := files[len(files)-1].Name
	starts := eventStarts(t, m, name)
	rows := starts[len(starts)-2] - starts[len(starts)-3] // behind it is only XID
	overhead := rows - 1000
	before := executed(t, m)
	var middle *replication.GTIDSet
	for i, size := range []int64{16777213, 16777214, 16777215, 16777216, 16777217, 40_000_000} {
		execute(t, m, fmt.Sprintf("INSERT INTO d.t VALUES (%d, REPEAT('x', %d))", 401+i, size-overhead))
		if i == 2 {
			middle = executed(t, m)
		}
	}
	return []dumpCase{
		{name: "by file", declare: crc32, command: byFile(nonBlock, name, 4)},
		{name: "skipping", declare: crc32, command: byGTID(nonBlock, middle.Subtract(before), name, 4)},
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
		{name: "all", declare: crc32, command: byGTID(nonBlock, executed(t, m), "", 4)},
		{name: "those before", declare: crc32, command: byGTID(nonBlock, before, "", 4)},
	}
}

// purgedCases ask for what neither the server nor the proxy has any more.
func purgedCases(t *testing.T, m *testenv.MySQL) []dumpCase {
	files := binlogFiles(t, m)
	newest := files[len(files)-1].Name
	execute(t, m, "PURGE BINARY LOGS TO '"+newest+"'")
	cases := []dumpCase{
		{name: "first file", declare: crc32, command: byFile(nonBlock, files[0].Name, 4)},
		{name: "no name", declare: crc32, command: byFile(nonBlock, "", 4)},
		{name: "everything", declare: crc32, command: byGTID(nonBlock, executed(t, m), "", 4)},
		{name: "nothing, named", declare: crc32, command: byGTID(nonBlock, gtidSet(t, ""), newest, 4)},
	}
	// The text of the error grows with the set, up to where mysqld leaves the sets out.
	text := "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1"
	for n := 3; n < 83; n += 2 {
		text += fmt.Sprint(":", n)
	}
	for n := int64(100); n < 1e18; n *= 10 {
		text := text + fmt.Sprint(":", n)
		cases = append(cases, dumpCase{name: fmt.Sprint("lacking, set of ", len(text)), declare: crc32, command: byGTID(nonBlock, gtidSet(t, text), "", 4)})
	}
	return append(cases, dumpCase{name: "lacking", declare: crc32, command: byGTID(nonBlock, gtidSet(t, ""), "", 4)})
}

// heartbeatsAlike follows both at the live tail through an idle time, a rotation
// and another idle time.
func heartbeatsAlike(t *testing.T, m *testenv.MySQL, proxy string) {
	for name, command := range map[string]func(testenv.BinlogFile) []byte{
		"by file": func(f testenv.BinlogFile) []byte { return byFile(0, f.Name, f.Size) },
		"by GTID": func(testenv.BinlogFile) []byte { return byGTID(0, executed(t, m), "", 4) },
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
		})
	}
}
