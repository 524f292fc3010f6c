package server

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// function is one SQL function without arguments, which are all that replicas and
// mysqlbinlog need.
type function struct {
	eval func(*session) value
	// column is what its result is announced as.
	column func(*session, value) wire.Column
}

const dateTime = "2006-01-02 15:04:05"

// functions are all that is known, by upper-case name.
var functions = map[string]function{
	"UNIX_TIMESTAMP":    {func(s *session) value { return intValue(s.server.opts.Now().Unix()) }, integerColumn(0)},
	"NOW":               {(*session).now, dateTimeColumn},
	"CURRENT_TIMESTAMP": {(*session).now, dateTimeColumn},
	"LOCALTIMESTAMP":    {(*session).now, dateTimeColumn},
	"UTC_TIMESTAMP":     {func(s *session) value { return textValue(s.server.opts.Now().UTC().Format(dateTime)) }, dateTimeColumn},
	"VERSION":           {func(s *session) value { return textValue(s.identity().Version) }, literalColumn},
	"CONNECTION_ID":     {func(s *session) value { return uintValue(uint64(s.id)) }, integerColumn(wire.FlagUnsigned)},
	"DATABASE":          {(*session).currentDatabase, nameColumn(64)},
	"SCHEMA":            {(*session).currentDatabase, nameColumn(64)},
	"USER":              {(*session).currentUser, nameColumn(288)},
	"SESSION_USER":      {(*session).currentUser, nameColumn(288)},
	"SYSTEM_USER":       {(*session).currentUser, nameColumn(288)},
	"CURRENT_USER":      {func(s *session) value { return textValue(s.account.User + "@%") }, nameColumn(288)},
	"UUID":              {(*session).newUUID, nameColumn(36)},
}

func (s *session) call(c *sql.Call, _ columns) (value, *wire.Error) {
	f, ok := functions[strings.ToUpper(c.Name)]
	switch {
	case !ok && s.database == "":
		return value{}, wire.Errorf(wire.ERNoDB, "No database selected")
	case !ok:
		return value{}, wire.Errorf(wire.ERSPDoesNotExist, "FUNCTION %s.%s does not exist", s.database, c.Name)
	case len(c.Args) > 0:
		return value{}, sqlErrorf(erWrongParameterCount, "42000", "Incorrect parameter count in the call to native function '%s'", c.Name)
	}
	return f.eval(s), nil
}

// now is the local time; the session's time_zone is taken into account only where
// it is an offset.
func (s *session) now() value {
	return textValue(s.server.opts.Now().In(s.location()).Format(dateTime))
}

func (s *session) location() *time.Location {
	zone, set := s.settings["time_zone"]
	if !set {
		zone = s.identity().Variables["time_zone"]
	}
	if t, err := time.Parse("-07:00", zone); err == nil {
		return t.Location()
	}
	return time.Local
}

func (s *session) currentDatabase() value {
	if s.database == "" {
		return value{}
	}
	return textValue(s.database)
}

func (s *session) currentUser() value { return textValue(s.account.User + "@" + s.clientHost) }

// newUUID is a random UUID (version 4); clients want it to be unique, no more.
func (s *session) newUUID() value {
	var b [16]byte
	if _, err := io.ReadFull(s.server.opts.Rand, b[:]); err != nil {
		return value{}
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return textValue(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}

// localPort is the port that the client has connected to.
func (s *session) localPort() string {
	if a, ok := s.nc.LocalAddr().(interface{ AddrPort() netip.AddrPort }); ok {
		return strconv.Itoa(int(a.AddrPort().Port()))
	}
	return "0"
}
