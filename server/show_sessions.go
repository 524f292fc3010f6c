package server

import (
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// showReplicas lists the live connections that have registered.
func (s *session) showReplicas(st *sql.ShowReplicas) *wire.ResultSet {
	names := [...]string{"Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"}
	if st.Old {
		names = [...]string{"Server_id", "Host", "Port", "Master_id", "Slave_UUID"}
	}
	id := number(wire.TypeLong, 11, wire.FlagNotNull|wire.FlagUnsigned)
	port := number(wire.TypeLong, 8, wire.FlagNotNull|wire.FlagUnsigned)
	set := &wire.ResultSet{Columns: []wire.Column{id, s.textColumn("", 255, wire.FlagNotNull), port, id, s.textColumn("", 36, wire.FlagNotNull)}}
	for i, name := range names {
		set.Columns[i].Name = name
	}
	source := s.identity().ServerID
	s.server.sessions.each(func(other *session) {
		p := other.published()
		if p.registered == nil {
			return
		}
		set.Rows = append(set.Rows, []wire.Value{
			wire.UintValue(uint64(p.registered.ServerID)), wire.TextValue(p.registered.Host), wire.UintValue(uint64(p.registered.Port)),
			wire.UintValue(uint64(source)), wire.TextValue(p.replicaUUID)})
	})
	return set
}

// showProcesslist lists the user's own connections: there is no PROCESS privilege.
func (s *session) showProcesslist() *wire.ResultSet {
	set := &wire.ResultSet{Columns: []wire.Column{
		number(wire.TypeLongLong, 22, wire.FlagNotNull),
		s.textColumn("User", 32, wire.FlagNotNull),
		s.textColumn("Host", 255, wire.FlagNotNull),
		s.textColumn("db", 64, 0),
		s.textColumn("Command", 16, wire.FlagNotNull),
		number(wire.TypeLong, 8, wire.FlagNotNull),
		s.textColumn("State", 30, 0),
		s.textColumn("Info", 100, 0),
	}}
	set.Columns[0].Name, set.Columns[5].Name = "Id", "Time"
	now := s.server.opts.Now()
	s.server.sessions.each(func(other *session) {
		p := other.published()
		if p.user != s.account.User {
			return
		}
		var database wire.Value
		if p.database != "" {
			database = wire.TextValue(p.database)
		}
		set.Rows = append(set.Rows, []wire.Value{
			wire.UintValue(uint64(other.id)), wire.TextValue(p.user), wire.TextValue(p.host), database,
			wire.TextValue(p.command), wire.IntValue(int64(max(now.Sub(p.since), 0) / time.Second)), wire.TextValue(""), nil})
	})
	return set
}

// showWarnings is always empty: nothing here warns.
func (s *session) showWarnings() *wire.ResultSet {
	set := &wire.ResultSet{Columns: []wire.Column{
		s.textColumn("Level", 7, wire.FlagNotNull),
		number(wire.TypeLong, 5, wire.FlagNotNull|wire.FlagUnsigned),
		s.textColumn("Message", 512, wire.FlagNotNull),
	}}
	set.Columns[1].Name = "Code"
	return set
}
