package server

import (
	"strconv"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// showVariables lists what is known; never an error for a name that is not.
func (s *session) showVariables(st *sql.ShowVariables) (*wire.ResultSet, *wire.Error) {
	set := s.namedValues(st.Scope, "variables")
	for _, name := range variableNames {
		v := systemVariables[name]
		if st.Scope == sql.ScopeGlobal && v.scope == sessionOnly {
			continue
		}
		text, there := s.read(name, v, st.Scope == sql.ScopeGlobal)
		if !there {
			continue
		}
		if err := s.addNamed(set, st.Filter, name, text); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// showStatus lists the few counters that clients ask for.
func (s *session) showStatus(st *sql.ShowStatus) (*wire.ResultSet, *wire.Error) {
	set := s.namedValues(st.Scope, "status")
	loggedIn, _ := s.server.sessions.count()
	cipher, version := s.tlsStatus()
	rows := [...][2]string{
		{"Ssl_cipher", cipher},
		{"Ssl_version", version},
		{"Threads_connected", strconv.Itoa(loggedIn)},
		{"Uptime", seconds(s.server.uptime())},
	}
	for _, row := range rows {
		if err := s.addNamed(set, st.Filter, row[0], row[1]); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// namedValues is an empty result of two columns, Variable_name and Value, which
// mysqld reads from performance_schema.
func (s *session) namedValues(scope sql.Scope, what string) *wire.ResultSet {
	table := "session_" + what
	if scope == sql.ScopeGlobal {
		table = "global_" + what
	}
	columns := []wire.Column{
		s.textColumn("Variable_name", 64, wire.FlagNotNull|flagNoDefault),
		s.textColumn("Value", 1024, 0),
	}
	for i := range columns {
		c := &columns[i]
		c.Schema, c.Table, c.OrgTable, c.OrgName, c.Decimals = "performance_schema", table, table, c.Name, 0
	}
	return &wire.ResultSet{Columns: columns}
}

const flagNoDefault wire.ColumnFlags = 0x1000 // NO_DEFAULT_VALUE_FLAG

// addNamed adds a row if the filter lets it through.
func (s *session) addNamed(set *wire.ResultSet, filter sql.Filter, name, text string) *wire.Error {
	switch {
	case filter.Like != nil && !like(name, *filter.Like):
		return nil
	case filter.Where != nil:
		v, err := s.eval(filter.Where, namedRow(name, text))
		if err != nil {
			return err
		}
		if is, known := v.truth(); !is || !known {
			return nil
		}
	}
	set.Rows = append(set.Rows, []wire.Value{wire.TextValue(name), wire.TextValue(text)})
	return nil
}

func namedRow(name, text string) columns {
	return func(column string) (value, bool) {
		switch strings.ToLower(column) {
		case "variable_name":
			return textValue(name), true
		case "value":
			return textValue(text), true
		}
		return value{}, false
	}
}
