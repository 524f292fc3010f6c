package server

import (
	"reflect"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

const testSet = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\ncce002ff-e66c-11f1-8e29-0242ac110003:1-8:tag_one:1"

func logServer(t *testing.T) *testServer {
	return startServer(t, func(o *Options) {
		log := o.Log.(*fakeLog)
		log.files = []archive.File{
			{Name: "binlog.000007", Size: 1234, Sealed: true, Checksum: replication.ChecksumNone},
			{Name: "binlog.000008", Size: 5 << 30, Checksum: replication.ChecksumCRC32},
		}
		log.executed, log.purged = testSet, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-2"
	})
}

func TestStatementsAboutTheLog(t *testing.T) {
	ts := logServer(t)
	c := connect(t, ts, 0)
	for _, tt := range []struct {
		text    string
		columns string
		rows    [][]string
	}{
		{"SHOW BINARY LOGS", "Log_name File_size Encrypted", [][]string{{"binlog.000007", "1234", "No"}, {"binlog.000008", "5368709120", "No"}}},
		{"show master logs;", "Log_name File_size Encrypted", [][]string{{"binlog.000007", "1234", "No"}, {"binlog.000008", "5368709120", "No"}}},
		{"SHOW BINARY LOG STATUS", "File Position Binlog_Do_DB Binlog_Ignore_DB Executed_Gtid_Set", [][]string{{"binlog.000008", "5368709120", "", "", testSet}}},
		{"/* c */ sHoW  mAsTeR\tsTaTuS ;", "File Position Binlog_Do_DB Binlog_Ignore_DB Executed_Gtid_Set", [][]string{{"binlog.000008", "5368709120", "", "", testSet}}},
		{"SELECT @@gtid_executed, @@GLOBAL.gtid_purged p", "@@gtid_executed p", [][]string{{testSet, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-2"}}},
		{"select @@global.binlog_checksum as checksum", "checksum", [][]string{{"CRC32"}}},
		{"show global variables like 'binlog_checksum'", "Variable_name Value", [][]string{{"binlog_checksum", "CRC32"}}},
		{"SHOW SLAVE HOSTS", "Server_id Host Port Master_id Slave_UUID", nil},
		{"SHOW REPLICAS", "Server_Id Host Port Source_Id Replica_UUID", nil},
	} {
		a, e := c.query(tt.text)
		var labels []string
		for _, column := range a.columns {
			labels = append(labels, column.Name)
		}
		if e != nil || strings.Join(labels, " ") != tt.columns || !reflect.DeepEqual(a.rows, tt.rows) {
			t.Errorf("%s:\n got %v %v %v\nwant %s %v", tt.text, e, labels, a.rows, tt.columns, tt.rows)
		}
	}
}

func TestVersionsDecideColumns(t *testing.T) {
	ts := logServer(t)
	c := connect(t, ts, 0)
	for version, want := range map[string]int{"5.7.44-log": 2, "8.0.13": 2, "8.0.14": 3, "9.7.4-2": 3} {
		ts.upstream.set(func(id *Identity) { id.Version = version })
		if a, e := c.query("SHOW BINARY LOGS"); e != nil || len(a.columns) != want {
			t.Errorf("%s: %d columns, %v, want %d", version, len(a.columns), e, want)
		}
	}
	ts.upstream.set(func(id *Identity) { id.Version, id.Flavor = "10.11.6-MariaDB", replication.MariaDB })
	if a, _ := c.query("SHOW MASTER STATUS"); len(a.columns) != 4 {
		t.Errorf("MariaDB: %d columns, want 4", len(a.columns))
	}
}

func TestShowVariablesFilters(t *testing.T) {
	ts := startServer(t, nil)
	c := connect(t, ts, wire.CapDeprecateEOF)
	names := func(text string) string {
		a, e := c.query(text)
		if e != nil {
			return e.Error()
		}
		var out []string
		for _, row := range a.rows {
			out = append(out, row[0]+"="+row[1])
		}
		return strings.Join(out, " ")
	}
	for text, want := range map[string]string{
		"SHOW VARIABLES LIKE 'SERVER_ID'":                                                    "server_id=77",
		"SHOW VARIABLES LIKE 'maxscale%'":                                                    "",
		`SHOW VARIABLES LIKE 'gtid\_mode'`:                                                   "gtid_mode=ON",
		"SHOW GLOBAL VARIABLES LIKE 'binlog_row_imag_'":                                      "binlog_row_image=FULL",
		"SHOW VARIABLES WHERE Variable_name IN ('gtid_mode', 'log_bin')":                     "gtid_mode=ON log_bin=ON",
		"SHOW VARIABLES WHERE Variable_name = 'sql_log_bin'":                                 "sql_log_bin=ON",
		"SHOW GLOBAL VARIABLES WHERE Variable_name = 'sql_log_bin'":                          "",
		"SHOW VARIABLES WHERE NOT Variable_name <> 'port' AND Value <> 0 OR 1 = 0":           "port=" + strings.SplitAfter(ts.addr, ":")[1],
		"SHOW VARIABLES WHERE Variable_name LIKE 'gtid%' AND Value IN ('', NULL)":            "gtid_executed= gtid_purged=",
		"SHOW VARIABLES WHERE Variable_name LIKE 'rpl_semi_sync_%' AND Variable_name = NULL": "",
		"SHOW SESSION STATUS LIKE 'Ssl_version'":                                             "Ssl_version=",
		"SHOW VARIABLES WHERE foo = 1":                                                       "error 1054 (42S22): Unknown column 'foo' in 'where clause'",
	} {
		if got := names(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestSet(t *testing.T) {
	ts := startServer(t, nil)
	c := connect(t, ts, 0)
	for _, tt := range []struct{ set, read, want string }{
		{"SET @a = 5, @A = 6", "SELECT @a", "6"},
		{"SET @a := 'it''s', @`b c` = NULL", "SELECT @a", "it's"},
		{"SET @u = uuid()", "SELECT @u = @u", "1"},
		{"SET autocommit = 0", "SELECT @@autocommit", "0"},
		{"SET autocommit = ON", "SELECT @@session.autocommit", "1"},
		{"SET SESSION net_write_timeout=7200, net_read_timeout = 60", "SELECT @@net_write_timeout", "7200"},
		{"SET @@session.time_zone = '+00:00'", "SELECT @@time_zone", "+00:00"},
		{"SET time_zone = DEFAULT", "SELECT @@time_zone", "SYSTEM"},
		{"SET NAMES utf8", "SELECT @@character_set_results", "utf8mb3"},
		{"SET NAMES DEFAULT", "SELECT @@character_set_client", "utf8mb4"},
		{"/*!40101 SET sql_mode='ANSI' */", "SELECT @@sql_mode", "ANSI"},
	} {
		c.mustQuery(tt.set)
		if got := c.mustQuery(tt.read); got != tt.want {
			t.Errorf("%s; %s: got %q, want %q", tt.set, tt.read, got, tt.want)
		}
	}
}

// Numbers and texts of mysqld 9.7.4, unless the comment says otherwise.
func TestErrors(t *testing.T) {
	ts := startServer(t, nil)
	c := connect(t, ts, 0)
	for text, want := range map[string]string{
		"SELECT @@nosuch":                  "error 1193 (HY000): Unknown system variable 'nosuch'",
		"SET @@nosuch = 1":                 "error 1193 (HY000): Unknown system variable 'nosuch'",
		"SELECT @@global.gtid_domain_id":   "error 1193 (HY000): Unknown system variable 'gtid_domain_id'",
		"SELECT @@session.server_uuid":     "error 1238 (HY000): Variable 'server_uuid' is a GLOBAL variable",
		"SELECT @@global.pseudo_thread_id": "error 1238 (HY000): Variable 'pseudo_thread_id' is a SESSION variable",
		"SET server_id = 5":                "error 1229 (HY000): Variable 'server_id' is a GLOBAL variable and should be set with SET GLOBAL",
		"SET autocommit = 2":               "error 1231 (42000): Variable 'autocommit' can't be set to the value of '2'",
		"SET wait_timeout = 'abc'":         "error 1232 (42000): Incorrect argument type to variable 'wait_timeout'",
		"SET NAMES nosuch":                 "error 1115 (42000): Unknown character set: 'nosuch'",
		"SELECT foo":                       "error 1054 (42S22): Unknown column 'foo' in 'field list'",
		"SELECT foo()":                     "error 1046 (3D000): No database selected",
		"SELECT VERSION(1)":                "error 1582 (42000): Incorrect parameter count in the call to native function 'VERSION'",
		" ; ":                              "error 1065 (42000): Query was empty",
		"SELECT 1; SELECT 2":               "error 1064 (42000): You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax to use near 'SELECT 2' at line 1",
		"SET GLOBAL wait_timeout = 1":      "error 1227 (42000): Access denied; you need (at least one of) the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s) for this operation", // without that privilege
		"DROP TABLE t":                     "error 1290 (HY000): The MySQL server is running with the --super-read-only option so it cannot execute this statement",             // of a read-only server
		"SELECT * FROM t":                  "error 1235 (42000): This version of MySQL doesn't yet support 'SELECT *'",                                                          // ours
		"SET @x = '" + strings.Repeat("x", 5<<20) + "'": "error 1041 (HY000): Out of memory; a session's user variables may take 4194304 bytes", // ours
	} {
		_, e := c.query(text)
		if e == nil || e.Error() != want {
			t.Errorf("%.40s:\n got %v\nwant %s", text, e, want)
		}
	}
	c.mustQuery("-- a comment alone is no error")
}

func TestLike(t *testing.T) {
	for _, tt := range []struct {
		text, pattern string
		want          bool
	}{
		{"", "", true}, {"", "%", true}, {"a", "", false}, {"abc", "ABC", true}, {"abc", "a%", true}, {"abc", "%c", true},
		{"abc", "%b%", true}, {"abc", "a_c", true}, {"abc", "a_", false}, {"a_c", `a\_c`, true}, {"abc", `a\_c`, false},
		{"aXbXc", "a%x%c", true}, {"äb", "_b", true}, {"aab", "%ab", true}, {"a\\", `a\`, true},
		{strings.Repeat("a", 5000), strings.Repeat("%a", 50) + "b", false},
	} {
		if got := like(tt.text, tt.pattern); got != tt.want {
			t.Errorf("like(%.20q, %.20q) = %v", tt.text, tt.pattern, got)
		}
	}
}

// Column definitions as mysqld 9.7.4 sends them (captured).
func TestColumnMetadata(t *testing.T) {
	ts := logServer(t)
	c := connect(t, ts, 0)
	c.mustQuery("SET @text = 'x', @int = 5, @null = NULL")
	text := func(length uint32, flags wire.ColumnFlags) wire.Column {
		return wire.Column{Collation: 255, Length: length, Type: wire.TypeVarString, Flags: flags, Decimals: 31}
	}
	integer := func(length uint32, flags wire.ColumnFlags) wire.Column {
		return wire.Column{Collation: 63, Length: length, Type: wire.TypeLongLong, Flags: flags}
	}
	variable := func(column string, length uint32, flags wire.ColumnFlags) wire.Column {
		return wire.Column{Schema: "performance_schema", Table: "session_variables", OrgTable: "session_variables", Name: column, OrgName: column,
			Collation: 255, Length: length, Type: wire.TypeVarString, Flags: flags}
	}
	for statement, want := range map[string][]wire.Column{
		"SELECT UNIX_TIMESTAMP()":         {integer(21, 0x81)},
		"SELECT @@GLOBAL.SERVER_ID":       {integer(21, 0xa0)},
		"SELECT @@GLOBAL.GTID_MODE":       {text(87380, 0)},
		"SELECT @@autocommit":             {integer(1, 0x80)},
		"SELECT VERSION()":                {text(20, 1)},
		"SELECT CONNECTION_ID()":          {integer(21, 0xa1)},
		"SELECT 1":                        {integer(2, 0x81)},
		"SELECT 'abc'":                    {text(12, 1)},
		"SELECT DATABASE()":               {text(256, 0)},
		"SELECT @int":                     {integer(21, 0x80)},
		"SELECT @text":                    {{Collation: 255, Length: 201326580, Type: 0xfb, Decimals: 31}},
		"SELECT @null":                    {{Collation: 63, Length: 16777215, Type: 0xfa, Flags: 0x80, Decimals: 31}},
		"SELECT @unset":                   {{Collation: 63, Length: 65532, Type: 0xfd, Flags: 0x80, Decimals: 31}},
		"SELECT NULL":                     {{Collation: 63, Type: wire.TypeNull, Flags: 0x80}},
		"SHOW VARIABLES LIKE 'server_id'": {variable("Variable_name", 256, 0x1001), variable("Value", 4096, 0)},
		"SHOW BINARY LOGS":                {text(1020, 1), integer(21, 0xa1), text(12, 1)},
	} {
		a, e := c.query(statement)
		if e != nil || len(a.columns) != len(want) {
			t.Errorf("%s: %v, %d columns", statement, e, len(a.columns))
			continue
		}
		for i, got := range a.columns {
			if want[i].Schema == "" {
				want[i].Name = got.Name
			}
			if got != want[i] {
				t.Errorf("%s, column %d:\n got %+v\nwant %+v", statement, i, got, want[i])
			}
		}
	}
}

// Every variable that is known can be read in each scope that it has, and listed.
func TestEveryVariableCanBeRead(t *testing.T) {
	ts := startServer(t, nil)
	for _, name := range UpstreamVariables() {
		ts.upstream.set(func(id *Identity) { id.Variables[name] = "1" })
	}
	c := connect(t, ts, 0)
	for _, name := range variableNames {
		if there := systemVariables[name].there; there != nil && !there(mysql97()) {
			continue
		}
		scope := map[variableScope]string{bothScopes: "session", globalOnly: "global", sessionOnly: "local"}[systemVariables[name].scope]
		c.mustQuery("SELECT @@" + name)
		c.mustQuery("SELECT @@" + scope + "." + name)
		c.mustQuery("SHOW VARIABLES LIKE '" + strings.ReplaceAll(name, "_", `\_`) + "'")
	}
}
