package server

import (
	"errors"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// Why a session ends, as the cause of its context.
var (
	// ErrClosed is what Serve returns after Shutdown or Close.
	ErrClosed = errors.New("server is closed")

	errKilled         = errors.New("killed by KILL")
	errReplaced       = errors.New("a replica with the same server_uuid or server_id has connected")
	errAccountChanged = errors.New("its account was removed or changed")
	errClientGone     = errors.New("client has gone")
	errEvicted        = errors.New("too many connections that have not logged in")
)

// Error numbers beside those of package wire, with their SQLSTATE.
const (
	erBadField            = 1054 // 42S22
	erEmptyQuery          = 1065 // 42000
	erUnknownCharset      = 1115 // 42000
	erTooManyFields       = 1117
	erGlobalVariable      = 1229
	erWrongTypeForVar     = 1232 // 42000
	erNotSupportedYet     = 1235 // 42000
	erIncorrectGlobalVar  = 1238
	erWrongParameterCount = 1582 // 42000
)

// sqlErrorf makes an error for a number that package wire does not know.
func sqlErrorf(number uint16, state, format string, args ...any) *wire.Error {
	e := wire.Errorf(number, format, args...)
	e.State = state
	return e
}

func tooManyConnections() *wire.Error {
	return wire.Errorf(wire.ERConCount, "Too many connections")
}

func unknownVariable(name string) *wire.Error {
	return wire.Errorf(wire.ERUnknownSystemVariable, "Unknown system variable '%s'", name)
}

func unknownColumn(name, clause string) *wire.Error {
	return sqlErrorf(erBadField, "42S22", "Unknown column '%s' in '%s'", name, clause)
}

func privilegeNeeded(what string) *wire.Error {
	return wire.Errorf(wire.ERSpecificAccessDenied, "Access denied; you need (at least one of) the %s privilege(s) for this operation", what)
}

// parseError is what a statement that was not parsed is answered with.
func parseError(err error) *wire.Error {
	var unsupported *sql.UnsupportedError
	switch {
	case errors.Is(err, sql.ErrEmpty):
		return sqlErrorf(erEmptyQuery, "42000", "Query was empty")
	case errors.Is(err, sql.ErrTooMany):
		return sqlErrorf(erTooManyFields, "HY000", "Too many columns")
	case errors.As(err, &unsupported) && unsupported.Write:
		return wire.Errorf(wire.EROptionPreventsStatement,
			"The MySQL server is running with the --super-read-only option so it cannot execute this statement")
	case errors.As(err, &unsupported):
		return sqlErrorf(erNotSupportedYet, "42000", "This version of MySQL doesn't yet support '%s'", unsupported.What)
	}
	return wire.Errorf(wire.ERParse, "%s", err)
}
