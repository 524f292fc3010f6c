package server

import (
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// query answers COM_QUERY. The statement's text goes nowhere else: it may hold
// passwords.
func (s *session) query(payload []byte) error {
	q, err := wire.DecodeQuery(payload, s.caps)
	if err != nil {
		return s.malformed()
	}
	st, err := sql.Parse(q.SQL, s.identity().number())
	if err != nil {
		return s.answer(parseError(err))
	}
	set, refusal := s.execute(st)
	if set == nil || refusal != nil {
		return s.answer(refusal)
	}
	set.Status = s.status()
	if err := s.conn.WriteResultSet(set, s.caps); err != nil {
		return err
	}
	return s.conn.Flush()
}

// execute runs a statement. Without a result set and an error the answer is OK.
func (s *session) execute(st sql.Statement) (*wire.ResultSet, *wire.Error) {
	switch st := st.(type) {
	case *sql.Select:
		return s.selectRow(st)
	case *sql.Set:
		return nil, s.set(st)
	case *sql.ShowVariables:
		return s.showVariables(st)
	case *sql.ShowStatus:
		return s.showStatus(st)
	case *sql.ShowBinaryLogs:
		return s.showBinaryLogs(), nil
	case *sql.ShowBinaryLogStatus:
		return s.showBinaryLogStatus(), nil
	case *sql.ShowReplicas:
		return s.showReplicas(st), nil
	case *sql.ShowProcesslist:
		return s.showProcesslist(), nil
	case *sql.ShowWarnings:
		return s.showWarnings(), nil
	case *sql.Kill:
		return nil, s.kill(st)
	case *sql.Use:
		s.use(st.Database)
		return nil, nil
	case *sql.Nothing:
		return nil, nil
	}
	return nil, wire.Errorf(wire.ERUnknown, "statement of an unknown kind")
}

// selectRow evaluates a SELECT: one row, or none with LIMIT 0.
func (s *session) selectRow(st *sql.Select) (*wire.ResultSet, *wire.Error) {
	set := &wire.ResultSet{}
	row := make([]wire.Value, 0, len(st.Items))
	for _, item := range st.Items {
		v, err := s.eval(item.Expr, nil)
		if err != nil {
			return nil, err
		}
		set.Columns = append(set.Columns, s.describe(item, v))
		row = append(row, v.wire())
	}
	if !st.NoRow {
		set.Rows = [][]wire.Value{row}
	}
	return set, nil
}

// use takes any name: there are no databases here to check it against.
func (s *session) use(database string) {
	s.database = database
	s.setStatus(func(p *sessionStatus) { p.database = database })
}

// kill ends a connection of the same user. mysqld lets users do that without any
// privilege, and libraries rely on it.
func (s *session) kill(st *sql.Kill) *wire.Error {
	v, err := s.eval(st.ID, nil)
	if err != nil {
		return err
	}
	id := uint32(v.uint64()) // mysqld takes the low 32 bits
	if v.kind == kindInt && v.text[0] == '-' {
		id = ^uint32(0)
	}
	victim := s.server.sessions.get(id)
	switch {
	case victim == nil:
		return wire.Errorf(wire.ERNoSuchThread, "Unknown thread id: %d", id)
	case victim == s:
		s.quit = !st.Query
		return wire.Errorf(wire.ERQueryInterrupted, "Query execution was interrupted")
	case victim.published().user != s.account.User:
		return wire.Errorf(wire.ERKillDenied, "You are not owner of thread %d", id)
	case st.Query && !s.server.dumps.running(victim):
		return nil // nothing to interrupt: other statements end at once
	}
	victim.end(errKilled)
	return nil
}
