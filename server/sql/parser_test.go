package sql

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func global(name string) Expr { return SystemVar{ScopeGlobal, name} }

func TestParseStatementsOfReplicasAndTools(t *testing.T) {
	like := func(s string) Filter { return Filter{Like: &s} }
	tests := []struct {
		text string
		want Statement
	}{
		{"SELECT UNIX_TIMESTAMP()", &Select{Items: []SelectItem{{&Call{Name: "UNIX_TIMESTAMP"}, "UNIX_TIMESTAMP()"}}}},
		{"SELECT @@GLOBAL.SERVER_ID", &Select{Items: []SelectItem{{global("server_id"), "@@GLOBAL.SERVER_ID"}}}},
		{"SET @master_heartbeat_period = 30000001024, @source_heartbeat_period = 30000001024", &Set{Items: []SetItem{
			&SetUserVar{"master_heartbeat_period", Integer("30000001024")}, &SetUserVar{"source_heartbeat_period", Integer("30000001024")}}}},
		{"SET @master_binlog_checksum= @@global.binlog_checksum", &Set{Items: []SetItem{
			&SetUserVar{"master_binlog_checksum", global("binlog_checksum")}}}},
		{"SELECT @source_binlog_checksum", &Select{Items: []SelectItem{{UserVar("source_binlog_checksum"), "@source_binlog_checksum"}}}},
		{"SET @slave_uuid= 'U'", &Set{Items: []SetItem{&SetUserVar{"slave_uuid", String("U")}}}},
		{"set @slave_uuid=uuid()", &Set{Items: []SetItem{&SetUserVar{"slave_uuid", &Call{Name: "uuid"}}}}},
		{"select @@GLOBAL.binlog_checksum as checksum", &Select{Items: []SelectItem{{global("binlog_checksum"), "checksum"}}}},
		{"/* mysql-connector-j-9.1 */SELECT  @@session.auto_increment_increment AS a, @@init_connect b;", &Select{Items: []SelectItem{
			{SystemVar{ScopeSession, "auto_increment_increment"}, "a"}, {SystemVar{ScopeNone, "init_connect"}, "b"}}}},
		{"SHOW VARIABLES LIKE 'SERVER_ID'", &ShowVariables{Filter: like("SERVER_ID")}},
		{`show global variables  like 'rds\_%'`, &ShowVariables{Scope: ScopeGlobal, Filter: like(`rds\_%`)}},
		{"SHOW VARIABLES WHERE Variable_name IN ('a', 'b')", &ShowVariables{Filter: Filter{Where: &In{Column("Variable_name"), []Expr{String("a"), String("b")}}}}},
		{"SHOW SESSION STATUS LIKE 'Ssl_version'", &ShowStatus{Scope: ScopeSession, Filter: like("Ssl_version")}},
		{"SHOW BINARY LOGS", &ShowBinaryLogs{}},
		{"show master logs;", &ShowBinaryLogs{}},
		{"SHOW BINARY LOG STATUS", &ShowBinaryLogStatus{}},
		{"SHOW MASTER STATUS", &ShowBinaryLogStatus{}},
		{"SHOW BINLOG STATUS", &ShowBinaryLogStatus{}},
		{"SHOW REPLICAS", &ShowReplicas{}},
		{"SHOW SLAVE HOSTS", &ShowReplicas{Old: true}},
		{"SHOW FULL PROCESSLIST", &ShowProcesslist{Full: true}},
		{"SHOW WARNINGS", &ShowWarnings{}},
		{"KILL 5", &Kill{ID: Integer("5")}},
		{"kill query 5", &Kill{Query: true, ID: Integer("5")}},
		{"KILL CONNECTION CONNECTION_ID()", &Kill{ID: &Call{Name: "CONNECTION_ID"}}},
		{"USE `My db`;", &Use{"My db"}},
		{"SET NAMES utf8mb4 COLLATE 'utf8mb4_bin', autocommit = ON, @@session.sql_mode='', @@x = DEFAULT", &Set{Items: []SetItem{
			&SetNames{"utf8mb4", "utf8mb4_bin"}, &SetSystemVar{ScopeNone, "autocommit", Column("ON")},
			&SetSystemVar{ScopeSession, "sql_mode", String("")}, &SetSystemVar{ScopeNone, "x", nil}}}},
		{"SET LOCAL wait_timeout=9999999", &Set{Items: []SetItem{&SetSystemVar{ScopeSession, "wait_timeout", Integer("9999999")}}}},
		{"SELECT 'a' 'b', -1, NULL, TRUE x, 0x4142, 1.5, CURRENT_USER LIMIT 1", &Select{Items: []SelectItem{{String("ab"), "a"}, {&Negate{Integer("1")}, "-1"},
			{Null{}, "NULL"}, {Bool(true), "x"}, {Hex("AB"), "0x4142"}, {Decimal("1.5"), "1.5"}, {&Call{Name: "CURRENT_USER"}, "CURRENT_USER"}}}},
		{"SELECT 1 FROM DUAL LIMIT 0", &Select{Items: []SelectItem{{Integer("1"), "1"}}, NoRow: true}},
		{"/*!40101 SELECT 1 */", &Select{Items: []SelectItem{{Integer("1"), "1"}}}},
		{"SELECT 1 /*!99999 + 1 */", &Select{Items: []SelectItem{{Integer("1"), "1"}}}},
		{"SELECT @`A b`, @'x.y'", &Select{Items: []SelectItem{{UserVar("a b"), "@`A b`"}, {UserVar("x.y"), "@'x.y'"}}}},
		{"/* only */ -- a comment", &Nothing{}},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text, 90704)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Parse(%q)\n got %#v, %v\nwant %#v", tt.text, got, err, tt.want)
		}
	}
}

// The near texts and lines are those of mysqld 9.7.4.
func TestSyntaxErrorsSayWhatMysqldSays(t *testing.T) {
	tests := []struct {
		text, near string
		line       int
	}{
		{"SELECT", "", 1},
		{"SELECT 1 FROM", "", 1},
		{"BLAH", "BLAH", 1},
		{"SELECT 'abc", "'abc", 1},
		{"SELECT 1; SELECT 2", "SELECT 2", 1},
		{"SHOW foo", "foo", 1},
		{"SHOW BINARY foo", "foo", 1},
		{"SELECT\n1,\n,2", ",2", 3},
		{"SET @a", "", 1},
		{"SELECT @@global.", "", 1},
		{"SELECT (1", "", 1},
		{"KILL x " + strings.Repeat("y ", 100), strings.Repeat("y ", 40), 1},
	}
	for _, tt := range tests {
		_, err := Parse(tt.text, 90704)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Near != tt.near || syntax.Line != tt.line {
			t.Errorf("Parse(%q) = %v, want near %q at line %d", tt.text, err, tt.near, tt.line)
		}
	}
}

func TestOtherErrors(t *testing.T) {
	for text, want := range map[string]error{"": ErrEmpty, " ; ": ErrEmpty, "SELECT " + strings.Repeat("1,", MaxItems) + "1": ErrTooMany} {
		if _, err := Parse(text, 0); !errors.Is(err, want) {
			t.Errorf("Parse(%.20q) = %v, want %v", text, err, want)
		}
	}
	for text, write := range map[string]bool{"CREATE TABLE t (a INT)": true, "SELECT * FROM t": false, "SELECT a FROM t": false,
		"SHOW CREATE TABLE t": false, "SHOW BINLOG EVENTS": false, "SHOW SLAVE STATUS": false, "SET GLOBAL TRANSACTION READ ONLY": false,
		"SET PASSWORD = 'secret'": true, "COMMIT": false, "SHOW FULL TABLES": false} {
		_, err := Parse(text, 0)
		var unsupported *UnsupportedError
		if !errors.As(err, &unsupported) || unsupported.Write != write {
			t.Errorf("Parse(%q) = %v, want an UnsupportedError with Write %v", text, err, write)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Parse(%q) repeats the statement's values: %v", text, err)
		}
	}
}

func TestNestingIsLimited(t *testing.T) {
	for _, unit := range []string{"(", "-", "f("} {
		if _, err := Parse("SELECT "+strings.Repeat(unit, 1<<20), 0); err == nil {
			t.Errorf("a million %q were accepted", unit)
		}
	}
}
