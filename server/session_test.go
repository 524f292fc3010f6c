package server

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

func TestSimpleCommands(t *testing.T) {
	ts := startServer(t, nil)
	for _, caps := range []wire.Capabilities{0, wire.CapDeprecateEOF} {
		c := connect(t, ts, caps)
		if p := c.command(byte(wire.ComPing)); p[0] != 0 {
			t.Errorf("COM_PING: %x", p)
		}
		if p := c.command(append([]byte{byte(wire.ComInitDB)}, "db"...)...); p[0] != 0 || c.mustQuery("SELECT DATABASE()") != "db" {
			t.Errorf("COM_INIT_DB: %x", p)
		}
		if p := c.command(byte(wire.ComStatistics)); !strings.HasPrefix(string(p), "Uptime: ") {
			t.Errorf("COM_STATISTICS: %q", p)
		}
		if p := c.command(byte(wire.ComSetOption), 1, 0); p[0] != 0xfe {
			t.Errorf("COM_SET_OPTION: %x", p)
		}
		c.mustQuery("SET @a = 1, wait_timeout = 7")
		if p := c.command(byte(wire.ComResetConnection)); p[0] != 0 || c.mustQuery("SELECT @a") != "NULL" || c.mustQuery("SELECT @@wait_timeout") != "28800" {
			t.Errorf("COM_RESET_CONNECTION: %x", p)
		}
		for _, command := range []byte{byte(wire.ComFieldList), byte(wire.ComStmtPrepare), byte(wire.ComChangeUser), 0x7f, 0} {
			if e := c.wantError(c.command(command), wire.ERUnknownCom); e.State != "08S01" || e.Message != "Unknown command" {
				t.Errorf("command %#x: %v", command, e)
			}
		}
		c.mustQuery("SELECT 1") // none of these has ended the connection
	}
}

func TestMalformedCommandsAreRefusedAndOnlyDumpsEndTheConnection(t *testing.T) {
	ts := startServer(t, nil)
	dump := wire.BinlogDumpGTID{Position: 4, GTIDSet: []byte{9}}
	for _, tt := range []struct {
		name    string
		payload []byte
		number  uint16
		text    string
		ends    bool
	}{
		{"nothing", nil, wire.ERUnknownCom, "Unknown command", false},
		{"COM_REGISTER_SLAVE", []byte{byte(wire.ComRegisterReplica), 1, 0, 0}, wire.ERMalformedPacket, "Malformed communication packet.", false},
		{"COM_BINLOG_DUMP", []byte{byte(wire.ComBinlogDump), 4, 0, 0, 0}, wire.ERMalformedPacket, "Malformed communication packet.", true},
		{"COM_BINLOG_DUMP_GTID", []byte{byte(wire.ComBinlogDumpGTID), 4, 0, 0, 0}, wire.ERMalformedPacket, "Malformed communication packet.", true},
		{"a GTID set", dump.Append(nil), wire.ERMalformedGTIDSet, "Malformed GTID set encoding.", true},
	} {
		c := connect(t, ts, 0)
		if e := c.wantError(c.command(tt.payload...), tt.number); e.Message != tt.text {
			t.Errorf("%s: %v", tt.name, e)
		}
		if !tt.ends {
			c.mustQuery("SELECT 1")
		} else if _, err := c.conn.ReadPacket(1); err != io.EOF {
			t.Errorf("%s: the connection goes on: %v", tt.name, err)
		}
	}
}

func TestPrivilegeIsNeededForADump(t *testing.T) {
	ts := startServer(t, nil)
	c := connectAs(t, ts, "reader", "reader's", 0)
	register := wire.RegisterReplica{ServerID: 5}
	c.wantError(c.command(register.Append(nil)...), wire.ERAccessDenied)
	dump := wire.BinlogDump{Position: 4, ServerID: 5}
	e := c.wantError(c.command(dump.Append(nil)...), wire.ERSpecificAccessDenied)
	if e.Message != "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) for this operation" || e.State != "42000" {
		t.Error(e)
	}
	if _, e := c.query("SHOW BINARY LOG STATUS"); e != nil { // connected still, and may ask
		t.Error(e)
	}
}

func TestOversizedCommand(t *testing.T) {
	ts := startServer(t, nil)
	c := connect(t, ts, 0)
	c.conn.ResetSequence()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = c.conn.WritePacket(make([]byte, wire.MaxPart+1)) // the server may stop reading before its end
		_ = c.conn.Flush()
	}()
	<-sent
	in := wire.NewConn(c.nc)
	in.SetSequence(2)
	p, err := in.ReadPacket(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	c.wantError(p, wire.ERNetPacketTooLarge)
	c.expectEOF()
}

// A claim of 16 MiB costs nothing: the connection waits for the bytes.
func TestClaimedLengthIsNotAllocated(t *testing.T) {
	ts := startServer(t, nil)
	var clients []*rawClient
	for range 64 {
		c := connect(t, ts, 0)
		if _, err := c.nc.Write([]byte{0xff, 0xff, 0xff, 0, byte(wire.ComQuery)}); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	for _, c := range clients {
		if err := c.nc.CloseWrite(); err != nil { // half-open
			t.Fatal(err)
		}
		c.expectEOF()
	}
}

func TestPacketsOutOfOrder(t *testing.T) {
	ts := startServer(t, nil)
	c := connect(t, ts, 0)
	c.conn.SetSequence(3)
	c.write([]byte{byte(wire.ComPing)})
	in := wire.NewConn(c.nc)
	p, err := in.ReadPacket(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	c.wantError(p, wire.ERNetPacketsOutOfOrder)
	c.expectEOF()
}

func TestClientThatNeverReadsIsCutOff(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.WriteTimeout = 50 * time.Millisecond })
	c := connect(t, ts, 0)
	statement := append([]byte{byte(wire.ComQuery)}, "SELECT '"+strings.Repeat("x", 1<<20)+"'"...)
	for {
		c.conn.ResetSequence()
		if c.conn.WritePacket(statement) != nil || c.conn.Flush() != nil {
			break
		}
	}
	other := connect(t, ts, 0)
	other.mustQuery("SELECT 1")
}

func TestIdleConnectionIsClosed(t *testing.T) {
	ts := startServer(t, nil)
	c := connect(t, ts, 0)
	c.mustQuery("SET wait_timeout = 1")
	c.expectEOF()
}

func TestKill(t *testing.T) {
	ts := startServer(t, nil)
	victim, killer := connect(t, ts, 0), connect(t, ts, 0)
	victim.startDump(ts, 9, "")
	if rows, _ := killer.query("SHOW PROCESSLIST"); len(rows.rows) != 2 || rows.rows[0][4] != "Binlog Dump" {
		t.Errorf("SHOW PROCESSLIST: %v", rows.rows)
	}
	killer.mustQuery("KILL " + killerID(victim.id))
	victim.expectEOF() // without an error packet

	idle := connect(t, ts, 0)
	killer.mustQuery("KILL QUERY " + killerID(idle.id))
	idle.mustQuery("SELECT 1")
	killer.mustQuery("KILL CONNECTION " + killerID(idle.id))
	idle.expectEOF()

	if _, e := killer.query("KILL 4000000000"); e == nil || e.Number != 1094 || e.Message != "Unknown thread id: 4000000000" {
		t.Errorf("unknown id: %v", e)
	}
	other := connectAs(t, ts, "reader", "reader's", 0)
	if _, e := other.query("KILL " + killerID(killer.id)); e == nil || e.Number != 1095 {
		t.Errorf("another user's: %v", e)
	}
	if _, e := killer.query("KILL CONNECTION_ID()"); e == nil || e.Number != 1317 {
		t.Errorf("own: %v", e)
	}
	killer.expectEOF()
}

func killerID(id uint32) string { return uintValue(uint64(id)).text }

// What mysqld does with a second dump of the same replica, case by case.
func TestDuplicateReplicas(t *testing.T) {
	const u, v = "6ccd780c-baba-1026-9564-5b8c656024db", "7ccd780c-baba-1026-9564-5b8c656024db"
	for _, tt := range []struct {
		name             string
		oldUUID, newUUID string
		oldID, newID     uint32
		killed           bool
	}{
		{"same uuid", u, u, 5, 6, true},
		{"same uuid in capitals", u, strings.ToUpper(u), 5, 6, false},
		{"no uuid, same server_id", "", "", 5, 5, true},
		{"other uuid, same server_id", u, v, 5, 5, false},
		{"uuid and none, same server_id", u, "", 5, 5, false},
		{"none and uuid, same server_id", "", u, 5, 5, false},
		{"no uuid, other server_id", "", "", 5, 6, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := startServer(t, nil)
			first, second := connect(t, ts, 0), connect(t, ts, 0)
			first.startDump(ts, tt.oldID, tt.oldUUID)
			second.startDump(ts, tt.newID, tt.newUUID)
			if !tt.killed {
				if got := len(ts.Replicas()); got != 2 {
					t.Errorf("%d dumps run, want 2", got)
				}
				return
			}
			e := first.expectError(wire.ERMasterFatalReadingLog)
			if !strings.HasPrefix(e.Message, "A replica with the same server_uuid/server_id as this replica has connected to the source") {
				t.Error(e)
			}
			first.expectEOF()
		})
	}
}

func TestServerIDZeroIsNoDuplicate(t *testing.T) {
	a, b := dumpRequest{}, dumpRequest{}
	if sameReplica(a, b) {
		t.Error("two dumps with server_id 0 count as the same replica")
	}
}

// Java clients ping during a dump, and mysqld never reads that.
func TestClientBytesDuringADump(t *testing.T) {
	ts := startServer(t, nil)
	ping := []byte{1, 0, 0, 0, byte(wire.ComPing)}
	ack := []byte{3, 0, 0, 0, 0xef, 1, 2}
	for name, last := range map[string]func(*rawClient) error{
		"COM_QUIT": func(c *rawClient) error { _, err := c.nc.Write([]byte{1, 0, 0, 0, byte(wire.ComQuit)}); return err },
		"FIN":      func(c *rawClient) error { return c.nc.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, ts, 0)
			c.startDump(ts, 9, "")
			for range 100 {
				if _, err := c.nc.Write(append(ping, ack...)); err != nil {
					t.Fatal(err)
				}
			}
			if err := last(c); err != nil {
				t.Fatal(err)
			}
			c.expectEOF()
		})
	}
	if err := ts.Close(); err != nil { // sessions count behind the end of their connection
		t.Fatal(err)
	}
	if got := ts.Stats().DumpEnds; got["client"] != 2 {
		t.Errorf("ends of dumps: %v", got)
	}
}

func TestReplicasAreListed(t *testing.T) {
	ts := startServer(t, nil)
	const uuid = "6ccd780c-baba-1026-9564-5b8c656024db"
	c := connect(t, ts, 0)
	c.startDump(ts, 9, uuid)
	got := ts.Replicas()
	if len(got) != 1 || got[0].User != testUser || got[0].ServerID != 9 || got[0].UUID != uuid || got[0].ConnectionID != c.id ||
		got[0].Host != c.nc.LocalAddr().String() || got[0].GTID || got[0].Since.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestShutdownEndsIdleAndDumpingConnectionsWithFIN(t *testing.T) {
	ts := startServer(t, nil)
	idle, dumping, pending := connect(t, ts, 0), connect(t, ts, 0), dialRaw(t, ts.addr)
	pending.read()
	dumping.startDump(ts, 9, "")
	// Bytes that the server has not read must not turn its FIN into RST.
	if _, err := dumping.nc.Write([]byte{1, 0, 0, 0, byte(wire.ComPing)}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- ts.Shutdown(shutdownContext(t)) }()
	for _, c := range []*rawClient{idle, dumping, pending} {
		c.expectEOF()
		_ = c.nc.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", ts.addr); err == nil {
		t.Error("it still listens")
	}
	if err := ts.Close(); err != nil { // again
		t.Error(err)
	}
}

// What a client cannot read does not keep Close from returning.
func TestCloseDoesNotWaitForClients(t *testing.T) {
	ts := startServer(t, nil)
	c := connect(t, ts, 0)
	statement := append([]byte{byte(wire.ComQuery)}, "SELECT '"+strings.Repeat("x", 1<<20)+"'"...)
	if err := c.nc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for c.conn.WritePacket(statement) == nil && c.conn.Flush() == nil {
		c.conn.ResetSequence()
	}
	if err := ts.Close(); err != nil {
		t.Error(err)
	}
}

func TestRequestIsMadeOfPacketAndUserVariables(t *testing.T) {
	s := &session{}
	set := func(name string, v value) {
		if err := s.variables.set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.declaredChecksum(); got != checksumUndeclared {
		t.Errorf("unset: %d", got)
	}
	set("master_binlog_checksum", textValue("crc32"))
	if got := s.declaredChecksum(); got != checksumCRC32 {
		t.Errorf("old name: %d", got)
	}
	set("source_binlog_checksum", textValue("ALL"))
	if got := s.declaredChecksum(); got != checksumOther {
		t.Errorf("the new name does not come first: %d", got)
	}
	set("source_binlog_checksum", value{})
	if got := s.declaredChecksum(); got != checksumUndeclared {
		t.Errorf("NULL: %d", got)
	}
	set("master_heartbeat_period", intValue(15000000000))
	if got := s.heartbeatPeriod(); got != 15*time.Second {
		t.Errorf("heartbeat %v", got)
	}
	set("source_heartbeat_period", uintValue(1<<63))
	if got := s.heartbeatPeriod(); got < 0 {
		t.Errorf("heartbeat %v", got)
	}
}

func FuzzWatchClient(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0x0e, 1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		quit := false
		for rest := data; len(rest) >= 4; {
			n := int(binary.LittleEndian.Uint32(rest) & 0xffffff)
			if len(rest) < 4+n {
				break
			}
			if n == 1 && rest[4] == byte(wire.ComQuit) {
				quit = true
				break
			}
			rest = rest[4+n:]
		}
		if err := watchClient(strings.NewReader(string(data))); (err == errQuit) != quit {
			t.Errorf("%x: %v", data, err)
		}
	})
}
