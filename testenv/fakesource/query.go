package fakesource

import (
	"strconv"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// query answers the statements of a replica. Others get a syntax error, so that
// a test notices them.
func (s *session) query(sql string) error {
	s.statements = append(s.statements, sql)
	if e := s.answer(sql); e != nil {
		return s.fail(e)
	}
	words := strings.Fields(strings.ToUpper(sql))
	switch {
	case len(words) > 1 && words[0] == "SET":
		s.set(sql)
		return s.ok()
	case len(words) > 1 && words[0] == "SELECT":
		return s.variables(strings.Split(sql[len("SELECT "):], ","))
	case strings.HasPrefix(sql, "SHOW GLOBAL VARIABLES"):
		var rows [][]string
		for name, value := range s.known() {
			rows = append(rows, []string{strings.TrimPrefix(name, "@@"), value})
		}
		return s.rows([]string{"Variable_name", "Value"}, rows)
	case strings.EqualFold(sql, "SHOW BINARY LOGS"):
		files, _ := s.source.snapshot()
		rows := make([][]string, len(files))
		for i, f := range files {
			rows[i] = []string{f.Name, strconv.FormatInt(f.Size(), 10), "No"}
		}
		return s.rows([]string{"Log_name", "File_size", "Encrypted"}, rows)
	case strings.EqualFold(sql, "SHOW BINARY LOG STATUS"):
		files, _ := s.source.snapshot()
		last := files[len(files)-1]
		return s.rows([]string{"File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set"},
			[][]string{{last.Name, strconv.FormatInt(last.Size(), 10), "", "", ""}})
	case strings.EqualFold(sql, "SHOW REPLICAS"):
		var rows [][]string
		for _, r := range s.source.options.Replicas {
			rows = append(rows, []string{strconv.FormatUint(uint64(r.ServerID), 10), r.Host,
				strconv.Itoa(int(r.Port)), strconv.FormatUint(uint64(s.source.options.ServerID), 10), r.UUID})
		}
		return s.rows([]string{"Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"}, rows)
	}
	return s.fail(wire.Errorf(wire.ERParse, "You have an error in your SQL syntax near '%s'", sql))
}

// set keeps the two user variables that steer the dump.
func (s *session) set(sql string) {
	for _, assignment := range strings.Split(sql[len("SET "):], ",") {
		name, value, _ := strings.Cut(assignment, "=")
		value = strings.Trim(strings.TrimSpace(value), "'")
		switch strings.TrimSpace(name) {
		case "@source_heartbeat_period":
			s.period = value
		case "@source_binlog_checksum":
			s.checksum = value
		}
	}
}

// known are the variables that a replica or the daemon asks for.
func (s *session) known() map[string]string {
	o := s.source.options
	logBin := "1"
	if o.NoBinlog {
		logBin = "0"
	}
	return map[string]string{
		"@@version":         o.Version,
		"@@server_id":       strconv.FormatUint(uint64(o.ServerID), 10),
		"@@server_uuid":     o.ServerUUID,
		"@@gtid_mode":       o.GTIDMode,
		"@@binlog_checksum": "CRC32",
		"@@log_bin":         logBin,
	}
}

func (s *session) variables(names []string) error {
	known := s.known()
	row := make([]string, len(names))
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		value, ok := known[strings.ToLower(names[i])]
		if !ok {
			return s.fail(wire.Errorf(1193, "Unknown system variable '%s'", strings.TrimPrefix(names[i], "@@")))
		}
		row[i] = value
	}
	return s.rows(names, [][]string{row})
}

func (s *session) rows(columns []string, rows [][]string) error {
	rs := wire.ResultSet{Status: 2}
	for _, name := range columns {
		rs.Columns = append(rs.Columns, wire.TextColumn(name, 255, 1024, 0))
	}
	for _, row := range rows {
		values := make([]wire.Value, len(row))
		for i, text := range row {
			values[i] = wire.TextValue(text)
		}
		rs.Rows = append(rs.Rows, values)
	}
	return s.wire.WriteResultSet(&rs, s.caps)
}
