package server

import (
	"bytes"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// FuzzExecute runs statements without a network. Whatever is asked, the answer is
// OK, an error with a number, or rows as wide as their columns.
func FuzzExecute(f *testing.F) {
	for _, text := range []string{
		"SELECT @@GLOBAL.SERVER_ID, @x, -1.5, 0x41, NULL, NOT 'a' LIKE '%', 1 IN (2, NULL), uuid(), now(), -'1x', -18446744073709551615",
		"SET @x = -5, autocommit = OFF, NAMES utf8, SESSION wait_timeout = 3, character_set_results = NULL",
		"SHOW VARIABLES WHERE Value = 1 OR Variable_name LIKE 'b%'", "SHOW GLOBAL STATUS LIKE 'U%'",
		"SHOW BINARY LOGS", "SHOW BINARY LOG STATUS", "SHOW REPLICAS", "SHOW PROCESSLIST", "KILL -1", "KILL 'x'", "USE a",
	} {
		f.Add(text)
	}
	accounts, err := NewAccounts()
	if err != nil {
		f.Fatal(err)
	}
	log := &fakeLog{files: []archive.File{{Name: "binlog.000001", Size: 4}}}
	server := &Server{opts: Options{Upstream: &fakeUpstream{id: mysql97()}, Log: log, Accounts: accounts, Now: time.Now, Rand: bytes.NewReader(nil)}}
	server.settings.Store(&settings{accounts: accounts})
	server.sessions.init(1, 1)
	f.Fuzz(func(t *testing.T, text string) {
		st, err := sql.Parse(text, 90704)
		if err != nil {
			if e := parseError(err); e.Number == 0 || len(e.State) != 5 {
				t.Errorf("%q: %+v", text, e)
			}
			return
		}
		here := fakeConn{}
		s := &session{server: server, nc: newClientConn(here, time.Minute), settings: make(map[string]string), collation: defaultCollation(mysql97())}
		for range 2 { // the second time with what the first has set
			set, e := s.execute(st)
			if e != nil && (e.Number == 0 || len(e.State) != 5) {
				t.Errorf("%q: %+v", text, e)
			}
			if set == nil || e != nil {
				continue
			}
			for _, row := range set.Rows {
				if len(row) != len(set.Columns) || len(row) == 0 {
					t.Errorf("%q: a row of %d values, %d columns", text, len(row), len(set.Columns))
				}
			}
			if err := wire.NewConn(here).WriteResultSet(set, 0); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
