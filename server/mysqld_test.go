package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// TestAgainstMySQL compares with a real server, and lets a real replica and a real
// mysqlbinlog speak to ours.
func TestAgainstMySQL(t *testing.T) {
	real := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "real"})
	t.Run("same answers", func(t *testing.T) { sameAnswers(t, real) })
	t.Run("without a privilege", func(t *testing.T) { sameRefusals(t, real) })
	t.Run("replica by GTID", func(t *testing.T) { realReplica(t, real, true) })
	t.Run("replica by file and position", func(t *testing.T) { realReplica(t, real, false) })
	t.Run("mysqlbinlog", func(t *testing.T) { realMysqlbinlog(t, real) })
}

// statementsOfMySQL are answered by us exactly as by mysqld: labels, types,
// lengths, flags, collations, and the values too unless they are volatile.
// What differs on purpose is not here: old SHOW names are accepted on every
// version, what is not of the dialect is refused, read_only is ON, and nothing warns.
var statementsOfMySQL = []struct {
	text     string
	volatile bool
}{
	{"SELECT UNIX_TIMESTAMP()", true},
	{"SELECT @@GLOBAL.SERVER_ID", false},
	{"SELECT @@server_id AS `server id`, @@GLOBAL . SERVER_UUID x", false},
	{"SELECT @source_binlog_checksum, @`never set`", false},
	{"SET @master_heartbeat_period = 30000001024, @source_heartbeat_period = 30000001024", false},
	{"SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum", false},
	{"SELECT @source_binlog_checksum, @master_heartbeat_period", false},
	{"SELECT @@GLOBAL.GTID_MODE, @@enforce_gtid_consistency, @@GLOBAL.SERVER_UUID, @@version, @@version_comment, @@binlog_checksum", false},
	{"SELECT @@global.rpl_semi_sync_source_enabled", false},
	{"SELECT @@session.server_uuid", false},
	{"SELECT @@global.pseudo_thread_id", false},
	{"SELECT VERSION(), version()", false},
	{"SELECT CONNECTION_ID()", true},
	{"SELECT 1, -1, 'abc', 'a' 'b', \"x\", NULL, 1.5, 0x4142, TRUE, false, 18446744073709551615, 99999999999999999999", false},
	{"SET @x = NULL, @y = 1.50, @z=1e2, @h=0x41, @b=true, @n=-5, @u=18446744073709551615", false},
	{"SELECT @x, @y, @z, @h, @b, @n, @u", false},
	{"SELECT DATABASE(), SCHEMA(), CURRENT_USER(), CURRENT_USER", false},
	{"SELECT USER(), NOW(), UTC_TIMESTAMP(), UUID()", true},
	{"SELECT @@gtid_executed, @@gtid_purged, @@global.gtid_executed", false},
	{"SELECT @@wait_timeout, @@session.net_write_timeout, @@autocommit, @@log_bin, @@log_slave_updates, @@max_allowed_packet", false},
	{"SELECT @@global.binlog_format, @@binlog_row_image, @@lower_case_table_names, @@time_zone, @@system_time_zone, @@sql_mode", false},
	{"SET autocommit = 2", false},
	{"SET server_id = 5", false},
	{"SET wait_timeout = 'abc'", false},
	{"SET wait_timeout = 9999999, SESSION net_write_timeout = 7200", false},
	{"SELECT @@wait_timeout, @@net_write_timeout", false},
	{"SET NAMES nosuch", false},
	{"SET NAMES 'binary'", false},
	{"SELECT @@character_set_client, @@character_set_results", false},
	{"SET NAMES utf8mb3", false},
	{"SELECT @@server_uuid, 'abc'", false},
	{"SET NAMES utf8mb4", false},
	{"SELECT foo", false},
	{"SELECT foo()", false},
	{"SELECT VERSION(1)", false},
	{"SELECT", false},
	{"SELECT 1 FROM", false},
	{"BLAH", false},
	{"SELECT 'abc", false},
	{" ; ", false},
	{"-- a comment", false},
	{"SELECT 1;;", false},
	{"SELECT 1; SELECT 2", false},
	{"KILL 4000000000", false},
	{"KILL -1", false},
	{"SHOW VARIABLES LIKE 'server_id'", false},
	{"SHOW GLOBAL VARIABLES LIKE 'binlog_chec%'", false},
	{"SHOW VARIABLES LIKE 'nosuch'", false},
	{"SHOW VARIABLES WHERE Variable_name IN ('gtid_mode','server_uuid')", false},
	{"SHOW VARIABLES WHERE foo = 1", false},
	{"SHOW STATUS LIKE 'Ssl_version'", false},
	{"SHOW BINARY LOGS", false},
	{"SHOW BINARY LOG STATUS", false},
	{"SHOW REPLICAS", false},
	{"SHOW PROCESSLIST", true},
	{"SHOW WARNINGS", true},
	{"SHOW foo", false},
	{"SHOW BINARY foo", false},
	{"SELECT /* c */ @@GLOBAL.SERVER_ID AS a, /*!40101 1 */ b LIMIT 1", false},
	{"SELECT 1 LIMIT 0", false},
	{"SELECT 1 FROM DUAL", false},
	{"SELECT @@server_id = 77, 1 IN (2, NULL)", true},
	{"SELECT binlog_gtid_pos('x',4)", false},
}

func sameAnswers(t *testing.T, real *testenv.MySQL) {
	user := "root"
	ts := startServer(t, func(o *Options) { o.Accounts = rootAccount(t); imitate(t, real, o) })
	theirs, ours := dialMySQL(t, real.Addr(), user), dialMySQL(t, ts.addr, user)
	for _, st := range statementsOfMySQL {
		want, got := describeAnswer(theirs.Execute(st.text)), describeAnswer(ours.Execute(st.text))
		if st.volatile {
			want.rows, got.rows = "", ""
		}
		if want != got {
			t.Errorf("%s\n mysqld %+v\n we     %+v", st.text, want, got)
		}
	}
}

// sameRefusals puts commands, whole and malformed, of a user who may not send them.
func sameRefusals(t *testing.T, real *testenv.MySQL) {
	const user = "reader"
	if _, err := real.DB().ExecContext(t.Context(), "CREATE USER "+user+" IDENTIFIED BY '"+testenv.RootPassword+"'"); err != nil {
		t.Fatal(err)
	}
	account, err := NewAccount(user, []byte(testenv.RootPassword))
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := NewAccounts(account)
	if err != nil {
		t.Fatal(err)
	}
	ts := startServer(t, func(o *Options) { o.Accounts = accounts; imitate(t, real, o) })
	register := wire.RegisterReplica{ServerID: 5}
	dump := wire.BinlogDump{Position: 4, ServerID: 5}
	set := wire.BinlogDumpGTID{Position: 4, ServerID: 5, GTIDSet: []byte{1, 2, 3}}
	for _, c := range [][]byte{
		register.Append(nil), register.Append(nil)[:3], register.Append(nil)[:6], dump.Append(nil), dump.Append(nil)[:5], set.Append(nil), set.Append(nil)[:9],
	} {
		theirs, ours := refusal(t, dialMySQL(t, real.Addr(), user), c), refusal(t, dialMySQL(t, ts.addr, user), c)
		if theirs != ours {
			t.Errorf("%x\n mysqld %s\n we     %s", c, theirs, ours)
		}
	}
}

// refusal gives the packet that answers a command, and whether the connection goes on.
func refusal(t *testing.T, c *client.Conn, command []byte) string {
	t.Helper()
	c.ResetSequence()
	if err := c.WritePacket(append(make([]byte, wire.HeaderLen), command...)); err != nil {
		t.Fatal(err)
	}
	p, err := c.ReadPacket()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%q, then open: %v", p, c.Ping() == nil)
}

func rootAccount(t *testing.T) *Accounts {
	t.Helper()
	root, err := NewAccount("root", []byte(testenv.RootPassword), ReplicationSlave)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := NewAccounts(root)
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

// imitate makes a server's source and log say what the real server says.
func imitate(t *testing.T, real *testenv.MySQL, o *Options) {
	t.Helper()
	ctx := t.Context()
	variables := make(map[string]string)
	for _, name := range append(UpstreamVariables(), "server_uuid", "version") {
		var key, text string
		err := real.DB().QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE '"+strings.ReplaceAll(name, "_", `\_`)+"'").Scan(&key, &text)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
		if err == nil {
			variables[name] = text
		}
	}
	upstream, log := o.Upstream.(*fakeUpstream), o.Log.(*fakeLog)
	upstream.id = Identity{Version: variables["version"], ServerID: real.ServerID(), ServerUUID: variables["server_uuid"], Variables: variables}
	files, err := real.BinlogFiles(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		log.files = append(log.files, archive.File{Name: f.Name, Size: f.Size, Checksum: replication.ChecksumCRC32})
	}
	if log.executed, err = real.GTIDExecuted(ctx); err != nil {
		t.Fatal(err)
	}
}

func dialMySQL(t *testing.T, addr, user string) *client.Conn {
	t.Helper()
	c, err := client.Connect(addr, user, testenv.RootPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// described is an answer in a form that compares.
type described struct{ err, columns, rows string }

func describeAnswer(r *mysql.Result, err error) described {
	if err != nil {
		return described{err: err.Error()}
	}
	if r.Resultset == nil {
		return described{}
	}
	var d described
	for _, f := range r.Fields {
		d.columns += fmt.Sprintf("\n  %s/%s %s/%s %s type=%#x len=%d flags=%#x collation=%d decimals=%d",
			f.Name, f.OrgName, f.Table, f.OrgTable, f.Schema, f.Type, variableLength(string(f.Name), f.ColumnLength), f.Flag, f.Charset, f.Decimal)
	}
	for _, row := range r.Values {
		d.rows += "\n "
		for _, v := range row {
			d.rows += fmt.Sprintf(" %v", v.String())
		}
	}
	return d
}

// variableLength leaves out the one length that follows a value of another moment.
func variableLength(name string, length uint32) uint32 {
	if name == "Executed_Gtid_Set" {
		return 0
	}
	return length
}

// realReplica attaches the real server to ours and waits for its dump command.
func realReplica(t *testing.T, real *testenv.MySQL, gtid bool) {
	ts := startServer(t, nil)
	host, port, err := net.SplitHostPort(ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	where := "SOURCE_AUTO_POSITION = 1"
	if !gtid {
		where = "SOURCE_AUTO_POSITION = 0, SOURCE_LOG_FILE = 'binlog.000001', SOURCE_LOG_POS = 4"
	}
	run := func(statement string) {
		t.Helper()
		if _, err := real.DB().ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run(fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = %s, SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', SOURCE_SSL = 0, GET_SOURCE_PUBLIC_KEY = 1, %s",
		host, port, testUser, testPassword, where))
	run("START REPLICA IO_THREAD")
	defer func() {
		if _, err := real.DB().ExecContext(context.Background(), "STOP REPLICA"); err != nil {
			t.Error(err)
		}
		if _, err := real.DB().ExecContext(context.Background(), "RESET REPLICA ALL"); err != nil {
			t.Error(err)
		}
	}()
	r := waitForDump(t, ts).request
	uuid, err := real.ServerUUID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.gtid != gtid || r.replicaUUID != uuid || r.serverID != real.ServerID() || r.checksum != checksumCRC32 ||
		r.heartbeat < time.Second || r.flags != wire.DumpHeartbeatV2 || r.nonBlock || r.mariadbCapability != 0 {
		t.Errorf("got %+v", r)
	}
	if !gtid && (r.file != "binlog.000001" || r.pos != 4) {
		t.Errorf("got %s:%d", r.file, r.pos)
	}
	if rows, _ := connect(t, ts, 0).query("SHOW REPLICAS"); len(rows.rows) != 1 || rows.rows[0][4] != uuid {
		t.Errorf("SHOW REPLICAS: %v", rows.rows)
	}
}

// waitForDump returns the first dump once its loop asks for files: the SETs before
// it ask too, to read @@binlog_checksum.
func waitForDump(t *testing.T, ts *testServer) *liveDump {
	t.Helper()
	timeout := time.After(patience)
	for {
		if live := ts.dumps.all(); len(live) > 0 {
			return live[0]
		}
		select {
		case <-ts.log.asked:
		case <-timeout:
			t.Fatal("no dump command came")
		}
	}
}

// realMysqlbinlog asks for a file that we do not have, and is told so in mysqld's words.
func realMysqlbinlog(t *testing.T, real *testenv.MySQL) {
	ts := startServer(t, func(o *Options) {
		o.Log.(*fakeLog).files = []archive.File{{Name: "binlog.000001", Size: 157, Checksum: replication.ChecksumCRC32}}
	})
	host, port, err := net.SplitHostPort(ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"BINLOG-DUMP-NON-GTIDS", "BINLOG-DUMP-GTIDS"} {
		_, stderr, exit, err := real.Exec(t.Context(), "mysqlbinlog", "--read-from-remote-source="+how, "--get-server-public-key",
			"--host="+host, "--port="+port, "--user="+testUser, "--password="+testPassword, "nosuch.000009")
		if err != nil {
			t.Fatal(err)
		}
		if exit == 0 || !strings.Contains(stderr, "Could not find first log file name in binary log index file") {
			t.Errorf("%s: exit %d, %s", how, exit, stderr)
		}
	}
}
