package server

import (
	"unicode/utf8"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// withEncrypted is the first version whose SHOW BINARY LOGS has a third column.
const withEncrypted = 80014

// showBinaryLogs lists the files that can be served. The size of the last one is
// what of it is published.
func (s *session) showBinaryLogs() *wire.ResultSet {
	id := s.identity()
	encrypted := id.Flavor == replication.MySQL && id.number() >= withEncrypted
	set := &wire.ResultSet{Columns: []wire.Column{
		s.textColumn("Log_name", 255, wire.FlagNotNull),
		number(wire.TypeLongLong, 21, wire.FlagNotNull|wire.FlagUnsigned),
	}}
	set.Columns[1].Name = "File_size"
	if encrypted {
		set.Columns = append(set.Columns, s.textColumn("Encrypted", 3, wire.FlagNotNull))
	}
	for _, file := range s.server.opts.Log.Files() {
		row := []wire.Value{wire.TextValue(file.Name), wire.IntValue(file.Size)}
		if encrypted {
			row = append(row, wire.TextValue("No"))
		}
		set.Rows = append(set.Rows, row)
	}
	return set
}

// showBinaryLogStatus gives the end of what is published: no row while there is
// nothing. MariaDB has no column for GTIDs.
func (s *session) showBinaryLogStatus() *wire.ResultSet {
	log := s.server.opts.Log
	// The set first: a position that is ahead of it only makes a client ask again
	// for what it may have; the other way round it would miss something.
	executed, end := log.Executed().String(), log.State().Published
	set := &wire.ResultSet{Columns: []wire.Column{
		s.textColumn("File", 512, wire.FlagNotNull),
		number(wire.TypeLongLong, 21, wire.FlagNotNull|wire.FlagUnsigned),
		s.textColumn("Binlog_Do_DB", 255, wire.FlagNotNull),
		s.textColumn("Binlog_Ignore_DB", 255, wire.FlagNotNull),
	}}
	set.Columns[1].Name = "Position"
	row := []wire.Value{wire.TextValue(end.File), wire.IntValue(end.Offset), wire.TextValue(""), wire.TextValue("")}
	if s.identity().Flavor == replication.MySQL {
		set.Columns = append(set.Columns, s.textColumn("Executed_Gtid_Set", uint32(utf8.RuneCountInString(executed)), wire.FlagNotNull))
		row = append(row, wire.TextValue(executed))
	}
	if end.File != "" {
		set.Rows = [][]wire.Value{row}
	}
	return set
}
