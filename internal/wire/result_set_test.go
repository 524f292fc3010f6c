package wire

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/client"
	gomysqlerr "github.com/go-mysql-org/go-mysql/mysql"
	driver "github.com/go-sql-driver/mysql"
)

// A result set with the shapes that matter: NULL, empty, long enough for each
// form of length, and more than one packet can take.
func testResultSet(big bool) *ResultSet {
	rs := &ResultSet{
		Columns: []Column{
			TextColumn("Log_name", CollationUTF8MB40900AI, 1020, FlagNotNull),
			IntColumn("File_size", FlagUnsigned|FlagNotNull),
			TextColumn("Encrypted", CollationUTF8MB40900AI, 12, 0),
			{Schema: "s", Table: "t", OrgTable: "ot", Name: "n", OrgName: "on", Collation: CollationBinary, Length: 11, Type: TypeLong, Flags: FlagBinary, Decimals: 0},
		},
		Status: StatusAutocommit,
		Rows: [][]Value{
			{TextValue("binlog.000001"), UintValue(1<<64 - 1), TextValue("No"), IntValue(-5)},
			{TextValue(""), nil, nil, nil},
			{TextValue(strings.Repeat("a", 251)), UintValue(0), TextValue(strings.Repeat("b", 1<<16)), nil},
		},
	}
	if big {
		rs.Rows = append(rs.Rows, []Value{TextValue("big"), UintValue(1), TextValue(strings.Repeat("c", MaxPart)), nil})
	}
	return rs
}

func resultSetServer(t *testing.T, caps Capabilities, rs *ResultSet) *testServer {
	return startServer(t, serverOptions{network: "tcp", plugin: CachingSHA2Password, caps: caps, serve: func(c *Conn, auth *Authenticated) {
		serveCommands(c, func(payload []byte) error {
			if Command(payload[0]) == ComPing {
				ok := OK{Status: StatusAutocommit}
				return c.WritePacket(ok.Append(nil, auth.Capabilities))
			}
			q, err := DecodeQuery(payload, auth.Capabilities)
			switch {
			case err != nil:
				return err
			case q.SQL == "SHOW BINARY LOGS":
				return c.WriteResultSet(rs, auth.Capabilities)
			case q.SQL == "SHOW WARNINGS":
				return c.WriteResultSet(&ResultSet{Columns: rs.Columns[:1], Status: StatusAutocommit}, auth.Capabilities)
			case strings.HasPrefix(q.SQL, "SET"):
				ok := OK{AffectedRows: 300, LastInsertID: 70000, Status: StatusAutocommit, Warnings: 2}
				return c.WritePacket(ok.Append(nil, auth.Capabilities))
			default:
				return c.WritePacket(Errorf(ERParse, "You have an error in your SQL syntax near '%s'", q.SQL).Append(nil))
			}
		})
	}})
}

func wantRows(rs *ResultSet) [][]any {
	var rows [][]any
	for _, r := range rs.Rows {
		var row []any
		for _, v := range r {
			if v == nil {
				row = append(row, nil)
			} else {
				row = append(row, string(v))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// Both ways of ending a result set, and both with query attributes in front of
// the statement (go-mysql sends them where they are offered).
var resultSetCapabilities = map[string]Capabilities{
	"EOF":                           testCapabilities &^ CapDeprecateEOF,
	"DEPRECATE_EOF":                 testCapabilities,
	"EOF and query attributes":      testCapabilities&^CapDeprecateEOF | CapQueryAttributes,
	"DEPRECATE_EOF and attributes":  testCapabilities | CapQueryAttributes,
	"DEPRECATE_EOF, SESSION_TRACK":  testCapabilities | CapSessionTrack,
	"all that we know how to serve": testCapabilities | CapQueryAttributes | CapSessionTrack,
}

func TestResultSetsAsGoSQLDriverReadsThem(t *testing.T) {
	for name, caps := range resultSetCapabilities {
		t.Run(name, func(t *testing.T) {
			rs := testResultSet(name == "DEPRECATE_EOF")
			s := resultSetServer(t, caps, rs)
			cfg := driver.NewConfig()
			cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.ClientFoundRows = "tcp", s.addr, "both", "secret", true
			cfg.Logger = &driver.NopLogger{}
			connector, err := driver.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(connector)
			defer db.Close()
			conn, err := db.Conn(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			rows, err := conn.QueryContext(context.Background(), "SHOW BINARY LOGS")
			if err != nil {
				t.Fatal(err)
			}
			types, err := rows.ColumnTypes()
			if err != nil {
				t.Fatal(err)
			}
			var header []string
			for _, c := range types {
				nullable, _ := c.Nullable()
				header = append(header, fmt.Sprint(c.Name(), " ", c.DatabaseTypeName(), " ", nullable))
			}
			if want := []string{"Log_name VARCHAR false", "File_size UNSIGNED BIGINT false", "Encrypted VARCHAR true", "n INT true"}; !reflect.DeepEqual(header, want) {
				t.Errorf("columns %q, want %q", header, want)
			}
			var got [][]any
			for rows.Next() {
				raw := make([]sql.NullString, len(types))
				if err := rows.Scan(&raw[0], &raw[1], &raw[2], &raw[3]); err != nil {
					t.Fatal(err)
				}
				var row []any
				for _, v := range raw {
					if v.Valid {
						row = append(row, v.String)
					} else {
						row = append(row, nil)
					}
				}
				got = append(got, row)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, wantRows(rs)) {
				t.Error("rows differ")
			}

			result, err := conn.ExecContext(context.Background(), "SET @x = 1")
			if err != nil {
				t.Fatal(err)
			}
			affected, _ := result.RowsAffected()
			id, _ := result.LastInsertId()
			if affected != 300 || id != 70000 {
				t.Errorf("OK with %d affected rows, id %d", affected, id)
			}
			_, err = conn.ExecContext(context.Background(), "nonsense")
			if errorNumber(err) != ERParse || !strings.Contains(err.Error(), "(42000)") || !strings.Contains(err.Error(), "near 'nonsense'") {
				t.Errorf("error %v", err)
			}
			if err := conn.PingContext(context.Background()); err != nil {
				t.Errorf("the connection is out of step: %v", err)
			}
		})
	}
}

func TestResultSetsAsGoMySQLReadsThem(t *testing.T) {
	for name, caps := range resultSetCapabilities {
		t.Run(name, func(t *testing.T) {
			rs := testResultSet(name == "EOF")
			s := resultSetServer(t, caps, rs)
			c, err := gomysql.Connect(s.addr, "both", "secret", "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Quit()
			result, err := c.Execute("SHOW BINARY LOGS")
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range result.Fields {
				got := Column{Schema: string(f.Schema), Table: string(f.Table), OrgTable: string(f.OrgTable), Name: string(f.Name),
					OrgName: string(f.OrgName), Collation: f.Charset, Length: f.ColumnLength, Type: ColumnType(f.Type), Flags: ColumnFlags(f.Flag), Decimals: f.Decimal}
				if got != rs.Columns[i] {
					t.Errorf("column %+v, want %+v", got, rs.Columns[i])
				}
			}
			var got [][]any
			for _, r := range result.Values {
				var row []any
				for _, v := range r {
					switch {
					case v.Type == gomysqlerr.FieldValueTypeNull:
						row = append(row, nil)
					case v.Type == gomysqlerr.FieldValueTypeString:
						row = append(row, string(v.AsString()))
					default:
						row = append(row, fmt.Sprint(v.Value()))
					}
				}
				got = append(got, row)
			}
			if !reflect.DeepEqual(got, wantRows(rs)) {
				t.Error("rows differ")
			}
			if result, err = c.Execute("SHOW WARNINGS"); err != nil || len(result.Values) != 0 || len(result.Fields) != 1 {
				t.Errorf("no rows: %v, %v", result, err)
			}
			if result, err = c.Execute("SET @x = 1"); err != nil || result.AffectedRows != 300 || result.InsertId != 70000 || result.Warnings != 2 {
				t.Errorf("OK: %+v, %v", result, err)
			}
			if _, err = c.Execute("nonsense"); errorNumber(err) != ERParse {
				t.Errorf("error %v", err)
			}
			if err := c.Ping(); err != nil {
				t.Errorf("the connection is out of step: %v", err)
			}
		})
	}
}

func TestResultSetThatWouldBeMisreadIsNotWritten(t *testing.T) {
	for name, rs := range map[string]*ResultSet{
		"no columns":     {},
		"row too narrow": {Columns: testResultSet(false).Columns, Rows: [][]Value{{nil}}},
	} {
		m := newMemConn(nil)
		c := NewConn(m)
		if err := c.WriteResultSet(rs, 0); err == nil {
			t.Errorf("%s: written", name)
		}
		if err := c.Flush(); err != nil || m.out.Len() != 0 {
			t.Errorf("%s: %d bytes written, %v", name, m.out.Len(), err)
		}
	}
}

func FuzzColumn(f *testing.F) {
	for _, c := range testResultSet(false).Columns {
		f.Add(c.Append(nil))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		checkDecoder(t, payload, DecodeColumn, func(c Column) []byte { return c.Append(nil) })
	})
}

func FuzzRow(f *testing.F) {
	for _, row := range testResultSet(false).Rows {
		f.Add(AppendRow(nil, row), uint8(len(row)))
	}
	f.Fuzz(func(t *testing.T, payload []byte, columns uint8) {
		row, ok := checkDecoder(t, payload,
			func(p []byte) ([]Value, error) { return DecodeRow(p, int(columns)) },
			func(row []Value) []byte { return AppendRow(nil, row) })
		if ok && len(row) != int(columns) {
			t.Fatalf("%d values for %d columns", len(row), columns)
		}
	})
}
