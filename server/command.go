package server

import (
	"context"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// commandNames are what SHOW PROCESSLIST calls a command that is running.
var commandNames = map[wire.Command]string{
	wire.ComQuery: "Query", wire.ComInitDB: "Init DB", wire.ComPing: "Ping", wire.ComStatistics: "Statistics",
	wire.ComRegisterReplica: "Register Replica", wire.ComBinlogDump: "Binlog Dump", wire.ComBinlogDumpGTID: "Binlog Dump GTID",
	wire.ComResetConnection: "Reset Connection", wire.ComSetOption: "Set option",
}

// command answers one command. An error means that the connection is of no more use.
func (s *session) command(ctx context.Context, payload []byte) error {
	var command wire.Command // an empty packet is COM_SLEEP, which is no command (mysqld: Protocol_classic::get_command)
	if len(payload) > 0 {
		command = wire.Command(payload[0])
	}
	s.server.counters.commands.Add(1)
	s.setStatus(func(p *sessionStatus) { p.command, p.since = commandNames[command], s.server.opts.Now() })
	switch command {
	case wire.ComQuery:
		return s.query(payload)
	case wire.ComPing:
		return s.ok()
	case wire.ComQuit:
		s.quit = true
		return nil
	case wire.ComInitDB:
		return s.initDB(payload)
	case wire.ComStatistics:
		return s.send([]byte(s.server.statistics()))
	case wire.ComSetOption:
		return s.setOption(payload)
	case wire.ComResetConnection:
		s.reset()
		return s.ok()
	case wire.ComRegisterReplica:
		return s.register(payload)
	case wire.ComBinlogDump, wire.ComBinlogDumpGTID:
		return s.anyDump(ctx, command, payload)
	}
	return s.answer(wire.Errorf(wire.ERUnknownCom, "Unknown command"))
}

func (s *session) malformed() error {
	return s.answer(wire.Errorf(wire.ERMalformedPacket, "Malformed communication packet."))
}

func (s *session) initDB(payload []byte) error {
	d, err := wire.DecodeInitDB(payload)
	if err != nil {
		return s.malformed()
	}
	s.use(d.Database)
	return s.ok()
}

// setOption switches multi-statements on or off, which are not offered; as mysqld
// it answers with EOF, which DEPRECATE_EOF turns into OK.
func (s *session) setOption(payload []byte) error {
	if len(payload) < 3 {
		return s.malformed()
	}
	return s.send(wire.AppendResultSetEnd(nil, s.caps, s.status()))
}

// reset makes the session as it was after its login; the registration goes too.
func (s *session) reset() {
	clear(s.settings)
	s.variables.clear()
	s.nc.timeout.Store(int64(s.server.opts.WriteTimeout))
	s.setStatus(func(p *sessionStatus) { p.registered, p.replicaUUID = nil, "" })
}

// statistics is mysqld's line for COM_STATISTICS. What does not exist here is 0.
func (s *Server) statistics() string {
	up := max(s.uptime()/time.Second, 1)
	loggedIn, _ := s.sessions.count()
	questions := s.counters.commands.Load()
	return fmt.Sprintf("Uptime: %d  Threads: %d  Questions: %d  Slow queries: 0  Opens: 0  Flush tables: 0  Open tables: 0  "+
		"Queries per second avg: %.3f", up, loggedIn, questions, float64(questions)/float64(up))
}

func (s *Server) uptime() time.Duration { return s.opts.Now().Sub(s.started) }
