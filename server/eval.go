package server

import (
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// columns gives names a value in an expression: the columns of SHOW … WHERE.
type columns func(name string) (value, bool)

// eval computes an expression; columns is nil where there are none.
func (s *session) eval(e sql.Expr, row columns) (value, *wire.Error) {
	switch e := e.(type) {
	case sql.Null:
		return value{}, nil
	case sql.Integer:
		return integerLiteral(string(e)), nil
	case sql.Decimal:
		return decimalLiteral(string(e)), nil
	case sql.String:
		return textValue(string(e)), nil
	case sql.Hex:
		return value{kindBytes, string(e)}, nil
	case sql.Bool:
		return boolValue(bool(e)), nil
	case sql.UserVar:
		v, _ := s.variables.get(string(e))
		return v, nil
	case sql.SystemVar:
		return s.systemValue(e)
	case sql.Column:
		return columnValue(string(e), row)
	case *sql.Call:
		return s.call(e, row)
	case *sql.Negate:
		v, err := s.eval(e.X, row)
		return v.negate(), err
	case *sql.Not:
		v, err := s.eval(e.X, row)
		return logic(not(v.truth())), err
	case *sql.Binary:
		return s.evalBinary(e, row)
	case *sql.In:
		return s.evalIn(e, row)
	}
	return value{}, wire.Errorf(wire.ERUnknown, "expression of an unknown kind")
}

// decimalLiteral is exact without exponent and a DOUBLE with one.
func decimalLiteral(text string) value {
	if strings.ContainsAny(text, "eE") {
		return doubleLiteral(text)
	}
	if strings.HasPrefix(text, ".") {
		text = "0" + text
	}
	return value{kindDecimal, strings.TrimSuffix(text, ".")}
}

func columnValue(name string, row columns) (value, *wire.Error) {
	if row == nil {
		return value{}, unknownColumn(name, "field list")
	}
	v, ok := row(name)
	if !ok {
		return value{}, unknownColumn(name, "where clause")
	}
	return v, nil
}

// systemValue reads @@x. A scope that the variable does not have is error 1238, as
// in mysqld 9.7; @@x alone is the session's value, else the global one.
func (s *session) systemValue(e sql.SystemVar) (value, *wire.Error) {
	v, known := systemVariables[e.Name]
	if !known {
		return value{}, unknownVariable(e.Name)
	}
	text, there := s.read(e.Name, v, e.Scope == sql.ScopeGlobal)
	switch {
	case !there:
		return value{}, unknownVariable(e.Name)
	case e.Scope == sql.ScopeSession && v.scope == globalOnly:
		return value{}, sqlErrorf(erIncorrectGlobalVar, "HY000", "Variable '%s' is a GLOBAL variable", e.Name)
	case e.Scope == sql.ScopeGlobal && v.scope == sessionOnly:
		return value{}, sqlErrorf(erIncorrectGlobalVar, "HY000", "Variable '%s' is a SESSION variable", e.Name)
	}
	return v.value(text), nil
}

func (s *session) evalBinary(e *sql.Binary, row columns) (value, *wire.Error) {
	x, err := s.eval(e.X, row)
	if err != nil {
		return value{}, err
	}
	y, err := s.eval(e.Y, row)
	if err != nil {
		return value{}, err
	}
	switch e.Op {
	case "AND":
		return logic(and(x, y)), nil
	case "OR":
		is, known := and(logic(not(x.truth())), logic(not(y.truth())))
		return logic(not(is, known)), nil
	}
	known := !x.isNull() && !y.isNull()
	switch e.Op {
	case "=":
		return logic(known && x.equal(y), known), nil
	case "<>":
		return logic(known && !x.equal(y), known), nil
	}
	if len(x.text) > maxLike || len(y.text) > maxLike {
		return value{}, sqlErrorf(erNotSupportedYet, "42000", "This version of MySQL doesn't yet support 'LIKE of texts longer than %d bytes'", maxLike)
	}
	return logic(like(x.text, y.text), known), nil
}

// maxLike bounds the time of a LIKE, which grows with the product of both lengths.
const maxLike = 4096

func (s *session) evalIn(e *sql.In, row columns) (value, *wire.Error) {
	x, err := s.eval(e.X, row)
	if err != nil {
		return value{}, err
	}
	known := !x.isNull()
	for _, item := range e.List {
		y, err := s.eval(item, row)
		if err != nil {
			return value{}, err
		}
		if y.isNull() {
			known = false
		} else if !x.isNull() && x.equal(y) {
			return boolValue(true), nil
		}
	}
	return logic(false, known), nil
}

// Three-valued logic: a truth and whether it is known.

func logic(is, known bool) value {
	if !known {
		return value{}
	}
	return boolValue(is)
}

func not(is, known bool) (bool, bool) { return !is, known }

func and(x, y value) (is, known bool) {
	a, knownA := x.truth()
	b, knownB := y.truth()
	if knownA && !a || knownB && !b {
		return false, true
	}
	return true, knownA && knownB
}
