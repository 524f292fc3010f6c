package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
)

// Replicas of the scripts.
const (
	uuidU = "00000000-0000-0000-0000-00000000000a"
	uuidV = "00000000-0000-0000-0000-00000000000b"
)

func calls(uuid string) string {
	return fmt.Sprintf("SET @slave_uuid = '%s', @replica_uuid = '%s'", uuid, uuid)
}

func dumpAs(serverID uint32, file string) []byte {
	d := wire.BinlogDump{Position: 4, ServerID: serverID, File: file}
	return d.Append(nil)
}

var registration = (&wire.RegisterReplica{ServerID: 911, Host: "somewhere", User: "someone", Port: 3307}).Append(nil)

// on runs a script's commands on one connection.
func on(declare string, commands ...[]byte) func(*peer) error {
	return func(p *peer) error {
		l, err := p.login(nil, declare)
		for _, c := range commands {
			if err == nil {
				err = l.ask(c)
			}
		}
		return err
	}
}

// prefixes are all a command's beginnings, of at least its first byte.
func prefixes(command []byte) (all [][]byte) {
	for n := 1; n < len(command); n++ {
		all = append(all, command[:n])
	}
	return all
}

// each runs a script's commands on a connection each.
func each(declare string, commands ...[]byte) func(*peer) error {
	return func(p *peer) error {
		for _, c := range commands {
			l, err := p.login(nil, declare)
			if err == nil {
				err = errors.Join(l.ask(c), l.noteWhetherOpen())
			}
			if err != nil {
				return fmt.Errorf("%x: %w", c, err)
			}
		}
		return nil
	}
}

// noteWhetherOpen finds out whether a connection takes another command.
func (l *line) noteWhetherOpen() error {
	err := sendCommand(l.nc, []byte{byte(wire.ComPing)})
	if err != nil {
		return err
	}
	end := stillOpen
	if _, err = readFrame(l.nc); err == io.EOF {
		end, err = closed, nil
	}
	l.p.notes = append(l.p.notes, end)
	return err
}

func register(host, user, password string) []byte {
	p := []byte{byte(wire.ComRegisterReplica), 5, 0, 0, 0}
	for _, s := range []string{host, user, password} {
		p = append(append(p, byte(len(s))), s...)
	}
	return append(p, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

var commandScripts = []script{
	{name: "4 unknown", run: each(crc32, []byte{0}, []byte{0x06}, []byte{0x0b}, []byte{0x0f}, []byte{0x10}, []byte{0x13}, []byte{0x14},
		[]byte{0x1d}, []byte{0x22}, []byte{0x40}, []byte{0xff}, []byte{0xff, 1, 2, 3})},
	{name: "4 truncated", run: each(crc32, []byte{byte(wire.ComSetOption)}, []byte{byte(wire.ComSetOption), 0})},
	{name: "4 not even a command", run: each(crc32, []byte{})},
	{name: "4 OK behind an error", run: on(crc32, []byte{0xff}, []byte{byte(wire.ComPing)}), deviates: noWarnings},
	{name: "4 simple", run: on(crc32, []byte{byte(wire.ComPing)}, []byte{byte(wire.ComPing), 1, 2}, []byte{byte(wire.ComResetConnection)})},
	{name: "4.1 registration", run: func(p *peer) error {
		l, err := p.login(nil, crc32, calls(uuidU))
		if err == nil {
			err = l.ask(registration)
		}
		return errors.Join(err, p.query("SHOW REPLICAS", "911"))
	}},
	{name: "4.1 registration truncated", run: each(crc32, prefixes(registration)...)},
	{name: "4.1 registration with long strings", run: each(crc32, register(strings.Repeat("h", 60), "u", "p"), register(strings.Repeat("h", 250), "u", "p"),
		register("h", strings.Repeat("u", 96), "p"), register("h", strings.Repeat("u", 97), "p"),
		register("h", "u", strings.Repeat("p", 32)), register("h", "u", strings.Repeat("p", 33)))},
	{name: "4.2.8 truncated, file", run: each(crc32, prefixes(byFile(nonBlock, "", 4))...)},
	{name: "4.2.8 truncated, GTID", run: each(crc32, prefixes((&wire.BinlogDumpGTID{Flags: nonBlock, ServerID: 9, File: "binlog.000001", Position: 4,
		GTIDSet: make([]byte, 8)}).Append(nil))...)},
	{name: "4.2.8 more than the command, GTID", run: on(crc32, append((&wire.BinlogDumpGTID{Flags: nonBlock, ServerID: 9, File: "nosuch", Position: 4,
		GTIDSet: make([]byte, 8)}).Append(nil), 1, 2, 3))},
	{name: "4.3 KILL of a dump", run: func(p *peer) error {
		end, err := p.newest()
		if err != nil {
			return err
		}
		l, err := p.login(nil, crc32)
		if err != nil {
			return err
		}
		return errors.Join(l.dump(dumpAs(912, end.Name), end), p.query(fmt.Sprintf("KILL %d", l.id), ""), l.ended())
	}},
	{name: "4.3 KILL of nobody", run: func(p *peer) error { return p.query("KILL 4294967000", "") }},
	{name: "5.13 COM_PING during a dump", run: func(p *peer) error {
		end, err := p.newest()
		if err != nil {
			return err
		}
		l, err := p.login(nil, crc32, "SET @source_heartbeat_period = 20000000")
		if err != nil {
			return err
		}
		err = l.dump(dumpAs(913, end.Name), end)
		for range 5 {
			err = errors.Join(err, sendCommand(l.nc, []byte{byte(wire.ComPing)}), l.lives())
		}
		return err
	}},
	{name: "5.13 COM_QUIT during a dump", run: leaving((*line).quit), deviates: leavingNoticed},
	{name: "5.13 half close during a dump", run: leaving((*line).closeWrite), deviates: leavingNoticed},
}

func (l *line) quit() error { return sendCommand(l.nc, []byte{byte(wire.ComQuit)}) }

func (l *line) closeWrite() error { return l.nc.(interface{ CloseWrite() error }).CloseWrite() }

// leaving notes whether a dump goes on when its client has gone.
func leaving(leave func(*line) error) func(*peer) error {
	return func(p *peer) error {
		end, err := p.newest()
		if err != nil {
			return err
		}
		l, err := p.login(nil, crc32)
		if err != nil {
			return err
		}
		if err := errors.Join(l.dump(dumpAs(914, end.Name), end), leave(l)); err != nil {
			return err
		}
		p.notes = nil
		if p.addr == p.m.Addr() {
			return l.lives()
		}
		return l.ended()
	}
}

// two begins a dump, then another one, and returns the first.
func two(p *peer, first, second func(end testenv.BinlogFile) (declare string, command []byte)) (*line, error) {
	end, err := p.newest()
	if err != nil {
		return nil, err
	}
	var lines [2]*line
	for i, f := range []func(testenv.BinlogFile) (string, []byte){first, second} {
		declare, command := f(end)
		if lines[i], err = p.login(nil, crc32, declare); err == nil {
			err = lines[i].dump(command, end)
		}
		if err != nil {
			return nil, fmt.Errorf("dump %d: %w", i, err)
		}
	}
	return lines[0], nil
}

const nobody = "SET @nothing = 0"

func as(declare string, serverID uint32) func(testenv.BinlogFile) (string, []byte) {
	return func(end testenv.BinlogFile) (string, []byte) { return declare, dumpAs(serverID, end.Name) }
}

func asGTID(declare string, serverID uint32) func(testenv.BinlogFile) (string, []byte) {
	return func(end testenv.BinlogFile) (string, []byte) {
		d := wire.BinlogDumpGTID{ServerID: serverID, File: end.Name, Position: 4, GTIDSet: make([]byte, 8)}
		return declare, d.Append(nil)
	}
}

// killed wants the first of two dumps to end in favour of the second.
func killed(first, second func(testenv.BinlogFile) (string, []byte)) func(*peer) error {
	return func(p *peer) error {
		l, err := two(p, first, second)
		if err != nil {
			return err
		}
		return l.ended()
	}
}

// stays wants the first of two dumps to go on.
func stays(first, second func(testenv.BinlogFile) (string, []byte)) func(*peer) error {
	return func(p *peer) error {
		l, err := two(p, first, second)
		if err != nil {
			return err
		}
		return l.lives()
	}
}

var duplicateScripts = []script{
	{name: "5.8 uuid U, then uuid U", run: killed(as(calls(uuidU), 921), as(calls(uuidU), 921))},
	{name: "5.8 uuid U, then uuid U with another server_id", run: killed(as(calls(uuidU), 921), as(calls(uuidU), 922))},
	{name: "5.8 uuid U, then uuid U in capitals", run: stays(as(calls(uuidU), 921), as(calls(strings.ToUpper(uuidU)), 922))},
	{name: "5.8 uuid U, then uuid U and more", run: killed(as(calls(uuidU), 921), as(calls(uuidU+"-and-more"), 922))},
	{name: "5.8 uuid U, then the beginning of U", run: stays(as(calls(uuidU), 921), as(calls(uuidU[:20]), 922))},
	{name: "5.8 uuid U, then uuid U by GTID", run: killed(as(calls(uuidU), 921), asGTID(calls(uuidU), 922))},
	{name: "5.8 uuid U by GTID, then uuid U", run: killed(asGTID(calls(uuidU), 921), as(calls(uuidU), 922))},
	{name: "5.8 no uuid, then no uuid with the same server_id", run: killed(as(nobody, 923), as(nobody, 923))},
	{name: "5.8 no uuid, then no uuid with another server_id", run: stays(as(nobody, 923), as(nobody, 924))},
	{name: "5.8 uuid U, then uuid V with the same server_id", run: stays(as(calls(uuidU), 925), as(calls(uuidV), 925))},
	{name: "5.8 uuid U, then no uuid with the same server_id", run: stays(as(calls(uuidU), 926), as(nobody, 926))},
	{name: "5.8 no uuid, then uuid U with the same server_id", run: stays(as(nobody, 927), as(calls(uuidU), 927))},
	{name: "5.8 empty uuid, then the same", run: killed(as(calls(""), 928), as(calls(""), 928))},
	{name: "5.8 only the old name, then only the new one", run: killed(as("SET @slave_uuid = '"+uuidU+"'", 929), as("SET @replica_uuid = '"+uuidU+"'", 930))},
	{name: "5.8 server_id 0, then server_id 0", run: func(p *peer) error {
		for range 2 {
			l, err := p.login(nil, crc32)
			if err != nil {
				return err
			}
			if err := errors.Join(sendCommand(l.nc, dumpAs(0, "binlog.000002")), l.ended()); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "4.2.10 the dump's server_id counts, not the registered one", run: func(p *peer) error {
		end, err := p.newest()
		if err != nil {
			return err
		}
		old, err := p.login(nil, crc32)
		if err != nil {
			return err
		}
		if err := errors.Join(old.ask(registration), old.dump(dumpAs(931, end.Name), end)); err != nil {
			return err
		}
		l, err := p.login(nil, crc32)
		if err != nil {
			return err
		}
		return errors.Join(l.dump(dumpAs(931, end.Name), end), old.ended())
	}},
}

var otherScripts = []script{
	{name: "5.9 position > size, which is there later", deviates: keptWaiting, run: positionAhead},
	{name: "5.9 a replica that forgot what it declared", deviates: forgetful, run: func(p *peer) error {
		l, err := p.login(map[string]string{"program_name": "mysqld"})
		if err == nil {
			err = sendCommand(l.nc, dumpAs(941, "binlog.000002"))
		}
		if err == nil {
			err = l.ended()
		}
		return err
	}},
}

// positionAhead begins where the file will have got to by the next transaction.
func positionAhead(p *peer) error {
	before, err := p.newest()
	if err != nil {
		return err
	}
	l, err := p.login(nil, crc32)
	if err != nil {
		return err
	}
	insert := func() error {
		_, err := p.m.DB().ExecContext(p.ctx, "INSERT INTO d.t (b) VALUES ('a step')")
		return err
	}
	if err := insert(); err != nil {
		return err
	}
	end, err := p.newest()
	if err != nil {
		return err
	}
	ahead := testenv.BinlogFile{Name: end.Name, Size: 2*end.Size - before.Size}
	if err := sendCommand(l.nc, fromEnd(954, ahead)); err != nil {
		return err
	}
	if p.addr == p.m.Addr() {
		return l.ended()
	}
	if err := errors.Join(l.dumping(), insert()); err != nil { // up to where it begins
		return err
	}
	return l.lives()
}

// dumping waits until the server has taken the dump command.
func (l *line) dumping() error {
	for {
		seen := len(l.p.notes)
		if err := l.p.query("SHOW PROCESSLIST", fmt.Sprint(l.id)); err != nil {
			return err
		}
		rows := fmt.Sprint(l.p.notes[seen:])
		l.p.notes = l.p.notes[:seen]
		if strings.Contains(rows, "Binlog Dump") {
			return nil
		}
		if err := l.p.ctx.Err(); err != nil {
			return err
		}
	}
}

// blockingAhead begins where neither server has got to. It takes half a minute.
var blockingAhead = script{deviates: keptWaiting, run: func(p *peer) error {
	uuid, err := p.m.ServerUUID(p.ctx)
	if err != nil {
		return err
	}
	set, err := replication.ParseGTIDSet(uuid + ":1-999999999")
	if err != nil {
		return err
	}
	l, err := p.login(nil, crc32)
	if err != nil {
		return err
	}
	command := wire.BinlogDumpGTID{ServerID: 951, Position: 4, GTIDSet: set.AppendWire(nil)}
	return errors.Join(sendCommand(l.nc, command.Append(nil)), l.ended())
}}

// shutdownsAlike ends both while a client waits at the live tail.
func shutdownsAlike(t *testing.T, m *testenv.MySQL, d *child.Daemon) {
	both, end := pair{m: m, proxy: d.Listen()}, newestFile(t, m)
	ends := map[string]func() error{
		m.Addr():   func() error { return m.Stop(t.Context()) },
		d.Listen(): func() error { _, err := d.Stop(); return err },
	}
	both.begin(t, script{deviates: noEOF, proxyFirst: true, run: func(p *peer) error { // it must not see its source go
		l, err := p.login(nil, crc32)
		if err != nil {
			return err
		}
		if err := l.dump(dumpAs(961, end.Name), end); err != nil {
			return err
		}
		stopped := make(chan error, 1)
		go func() { stopped <- ends[p.addr]() }()
		err = l.ended()
		l.nc.Close()
		return errors.Join(err, <-stopped)
	}})(t)
}

// otherLogBin is the directory of a server whose log_bin names one.
const otherLogBin = "/var/lib/binlogproxy/data/"

// otherModes compares with a server that leaves gtid_mode ON.
func otherModes(t *testing.T) {
	m := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "other", Args: []string{"--log-bin=" + otherLogBin + "binlog"}})
	all := startDaemon(t, m.Addr(), "--server-id=4244")
	execute(t, m, "CREATE DATABASE d", "CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB)", "INSERT INTO d.t VALUES (1, 'with a GTID')")
	execute(t, m, "SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = OFF_PERMISSIVE")
	caughtUp(t, all, m) // in mode OFF the server would not send it any more
	execute(t, m, "SET GLOBAL gtid_mode = OFF", "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (2, 'anonymous')")
	caughtUp(t, all, m)
	off := startDaemon(t, m.Addr(), "--from=newest", "--server-id=4245")
	caughtUp(t, off, m)
	files := binlogFiles(t, m)
	first, newest := files[0].Name, files[len(files)-1].Name
	compare := func(d *child.Daemon, c dumpCase) {
		t.Run(c.name, func(t *testing.T) { c.declare = crc32; c.compare(t, m.Addr(), d.Listen()) })
	}
	compare(off, dumpCase{name: "5.9 GTID, gtid_mode OFF", command: byGTID(nonBlock, gtidSet(t, ""), "", 4)})
	compare(off, dumpCase{name: "5.9 GTID with a name, gtid_mode OFF", command: byGTID(nonBlock, gtidSet(t, ""), newest, 4)})
	compare(off, dumpCase{name: "5.5 file, gtid_mode OFF, anonymous", command: byFile(nonBlock, newest, 4)})
	compare(off, dumpCase{name: "5.9 within an event, other directory", command: byFile(nonBlock, newest, 5), deviates: plainDirectory})
	compare(all, dumpCase{name: "5.5 file, gtid_mode OFF, with GTIDs", command: byFile(nonBlock, first, 4), deviates: whateverTheMode})
}
