package server

import (
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// Column definitions as mysqld 9.7.4 sends them for expressions (captured). Lengths
// of text are in characters there and in bytes here.

const (
	systemVarChars = 21845     // of a text system variable: 65535 / 3
	userVarChars   = 50331645  // of a text user variable
	unsetUserVar   = 65532     // bytes of one that was never set
	nullUserVar    = 1<<24 - 1 // bytes of one that is NULL
	maxLabel       = 256       // characters of a label (MAX_ALIAS_NAME)
	maxDecimalLen  = 67        // digits, point and sign of a DECIMAL user variable
	decimalScale   = 30        // its decimals
	doubleLen      = 23        // characters of a DOUBLE
)

// Types of user variables (include/field_types.h).
const (
	typeMediumBlob wire.ColumnType = 0xfa
	typeLongBlob   wire.ColumnType = 0xfb
)

// describe is the column of one SELECT item.
func (s *session) describe(item sql.SelectItem, v value) wire.Column {
	c := s.describeExpr(item.Expr, v)
	c.Name = strings.ToValidUTF8(item.Label[:min(len(item.Label), maxLabel)], "")
	return c
}

func (s *session) describeExpr(e sql.Expr, v value) wire.Column {
	switch e := e.(type) {
	case sql.SystemVar:
		return s.systemColumn(systemVariables[e.Name])
	case sql.UserVar:
		_, set := s.variables.get(string(e))
		return s.userColumn(v, set)
	case *sql.Call:
		return functions[strings.ToUpper(e.Name)].column(s, v)
	case sql.Bool:
		return booleanColumn(wire.FlagNotNull)
	case *sql.Not, *sql.Binary, *sql.In:
		return booleanColumn(0)
	}
	return literalColumn(s, v)
}

func (s *session) systemColumn(v systemVariable) wire.Column {
	switch v.kind {
	case integerVariable:
		return number(wire.TypeLongLong, 21, wire.FlagUnsigned)
	case booleanVariable:
		return booleanColumn(0)
	}
	return s.textColumn("", systemVarChars, 0)
}

func (s *session) userColumn(v value, set bool) wire.Column {
	switch v.kind {
	case kindInt:
		return number(wire.TypeLongLong, 21, 0)
	case kindUint:
		return number(wire.TypeLongLong, 21, wire.FlagUnsigned)
	case kindDecimal:
		c := number(wire.TypeNewDecimal, maxDecimalLen, 0)
		c.Decimals = decimalScale
		return c
	case kindDouble:
		return double(0)
	case kindText:
		c := s.textColumn("", userVarChars, 0)
		c.Type = typeLongBlob
		return c
	}
	c := wire.TextColumn("", wire.CollationBinary, unsetUserVar, wire.FlagBinary)
	if set {
		c.Type, c.Length = typeMediumBlob, nullUserVar
	}
	return c
}

// literalColumn is the column of a constant.
func literalColumn(s *session, v value) wire.Column {
	switch v.kind {
	case kindNull:
		return number(wire.TypeNull, 0, 0)
	case kindInt:
		return number(wire.TypeLongLong, uint32(len(strings.TrimPrefix(v.text, "-"))+1), wire.FlagNotNull)
	case kindUint:
		return number(wire.TypeLongLong, uint32(len(v.text)), wire.FlagNotNull|wire.FlagUnsigned)
	case kindDecimal:
		return decimal(v.text)
	case kindDouble:
		return double(wire.FlagNotNull)
	case kindBytes:
		c := wire.TextColumn("", wire.CollationBinary, uint32(len(v.text)), wire.FlagNotNull|wire.FlagBinary|wire.FlagUnsigned)
		c.Decimals = 0
		return c
	}
	return s.textColumn("", uint32(len([]rune(v.text))), wire.FlagNotNull)
}

func decimal(text string) wire.Column {
	c := number(wire.TypeNewDecimal, uint32(len(strings.TrimPrefix(text, "-"))+1), wire.FlagNotNull)
	if point := strings.IndexByte(text, '.'); point >= 0 {
		c.Decimals = uint8(min(len(text)-point-1, decimalScale))
	}
	return c
}

func double(flags wire.ColumnFlags) wire.Column {
	c := number(wire.TypeDouble, doubleLen, flags)
	c.Decimals = 31
	return c
}

func number(t wire.ColumnType, length uint32, flags wire.ColumnFlags) wire.Column {
	return wire.Column{Collation: wire.CollationBinary, Length: length, Type: t, Flags: flags | wire.FlagBinary}
}

func booleanColumn(flags wire.ColumnFlags) wire.Column { return number(wire.TypeLongLong, 1, flags) }

// textColumn is a text of at most so many characters. In the binary charset there
// are no characters, and the column says so.
func (s *session) textColumn(name string, chars uint32, flags wire.ColumnFlags) wire.Column {
	return wire.TextColumn(name, s.collation.id, chars*s.collation.maxBytes, flags)
}

func integerColumn(flags wire.ColumnFlags) func(*session, value) wire.Column {
	return func(*session, value) wire.Column { return number(wire.TypeLongLong, 21, flags|wire.FlagNotNull) }
}

func dateTimeColumn(*session, value) wire.Column {
	return number(wire.TypeDatetime, uint32(len(dateTime)), wire.FlagNotNull)
}

// nameColumn is a text of unknown content that may be NULL.
func nameColumn(chars uint32) func(*session, value) wire.Column {
	return func(s *session, _ value) wire.Column { return s.textColumn("", chars, 0) }
}
