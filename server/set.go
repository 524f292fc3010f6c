package server

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/server/sql"
)

// set executes SET. As in mysqld, the assignments before one that fails stay.
func (s *session) set(st *sql.Set) *wire.Error {
	for _, item := range st.Items {
		if err := s.setItem(item); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) setItem(item sql.SetItem) *wire.Error {
	switch item := item.(type) {
	case *sql.SetUserVar:
		v, err := s.eval(item.Value, nil)
		if err != nil {
			return err
		}
		return s.variables.set(item.Name, v)
	case *sql.SetNames:
		return s.setNames(item.Charset)
	case *sql.SetSystemVar:
		return s.setSystem(item)
	}
	return wire.Errorf(wire.ERUnknown, "SET of an unknown kind")
}

func (s *session) setNames(charset string) *wire.Error {
	c, ok := collationNamed(charset, s.identity())
	if !ok {
		return sqlErrorf(erUnknownCharset, "42000", "Unknown character set: '%s'", charset)
	}
	s.collation = c
	for _, name := range [...]string{"character_set_client", "character_set_connection", "character_set_results", "collation_connection"} {
		delete(s.settings, name)
	}
	return nil
}

func (s *session) setSystem(item *sql.SetSystemVar) *wire.Error {
	v, known := systemVariables[item.Name]
	if known && !v.settable {
		return s.cannotSet(item, v)
	}
	if !known {
		return unknownVariable(item.Name)
	}
	if item.Scope == sql.ScopeGlobal {
		return privilegeNeeded("SUPER or SYSTEM_VARIABLES_ADMIN")
	}
	if item.Value == nil {
		delete(s.settings, item.Name)
		return s.apply(item.Name, "")
	}
	text, err := s.settingOf(item, v.kind)
	if err == nil {
		err = s.apply(item.Name, text)
	}
	if err == nil {
		s.settings[item.Name] = text
	}
	return err
}

// cannotSet is mysqld's reason for a variable that a session may not set.
func (s *session) cannotSet(item *sql.SetSystemVar, v systemVariable) *wire.Error {
	if _, there := s.read(item.Name, v, true); !there {
		return unknownVariable(item.Name)
	}
	if v.scope == globalOnly && item.Scope != sql.ScopeGlobal {
		return sqlErrorf(erGlobalVariable, "HY000", "Variable '%s' is a GLOBAL variable and should be set with SET GLOBAL", item.Name)
	}
	if item.Scope == sql.ScopeGlobal {
		return privilegeNeeded("SUPER or SYSTEM_VARIABLES_ADMIN")
	}
	return sqlErrorf(erIncorrectGlobalVar, "HY000", "Variable '%s' is a read only variable", item.Name)
}

// settingOf evaluates the value of a SET and prints it as SHOW VARIABLES will.
func (s *session) settingOf(item *sql.SetSystemVar, kind variableKind) (string, *wire.Error) {
	v, word := value{}, false
	if column, ok := item.Value.(sql.Column); ok {
		v, word = textValue(string(column)), true
	} else {
		var err *wire.Error
		if v, err = s.eval(item.Value, nil); err != nil {
			return "", err
		}
	}
	switch kind {
	case integerVariable:
		if word || v.kind != kindInt && v.kind != kindUint {
			return "", sqlErrorf(erWrongTypeForVar, "42000", "Incorrect argument type to variable '%s'", item.Name)
		}
	case booleanVariable:
		i := slices.Index([]string{"0", "OFF", "FALSE", "1", "ON", "TRUE"}, strings.ToUpper(v.text))
		if i < 0 || v.isNull() {
			return "", wrongValue(item.Name, v)
		}
		return [...]string{"OFF", "ON"}[i/3], nil
	}
	if v.isNull() && item.Name != "character_set_results" {
		return "", wrongValue(item.Name, v)
	}
	return v.text, nil
}

func wrongValue(name string, v value) *wire.Error {
	text := v.text
	if v.isNull() {
		text = "NULL"
	}
	return wire.Errorf(wire.ERWrongValueForVar, "Variable '%s' can't be set to the value of '%s'", name, text)
}

// apply does what a new setting means to the session itself; "" is the default.
func (s *session) apply(name, text string) *wire.Error {
	switch name {
	case "net_write_timeout":
		d := s.server.opts.WriteTimeout
		if text != "" {
			d = duration(text)
		}
		s.nc.timeout.Store(int64(d))
	case "character_set_results":
		if text != "" {
			c, ok := collationNamed(strings.ToLower(text), s.identity())
			if !ok {
				return sqlErrorf(erUnknownCharset, "42000", "Unknown character set: '%s'", text)
			}
			s.collation = c
		}
	}
	return nil
}

// maxTimeout is mysqld's limit for its timeouts: a year.
const maxTimeout = 31536000 * time.Second

// duration reads seconds as a timeout variable does: 1 to maxTimeout, whatever is given.
func duration(seconds string) time.Duration {
	n, err := strconv.ParseUint(seconds, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || n > uint64(maxTimeout/time.Second):
		return maxTimeout
	case err != nil || n == 0:
		return time.Second
	}
	return time.Duration(n) * time.Second
}

// waitTimeout is how long the session may be silent.
func (s *session) waitTimeout() time.Duration {
	if text, set := s.settings["wait_timeout"]; set {
		return duration(text)
	}
	return s.server.opts.WaitTimeout
}

// status is the status word of OK and EOF packets: SET autocommit=0 shows in it.
func (s *session) status() wire.Status {
	if s.settings["autocommit"] == "OFF" {
		return 0
	}
	return wire.StatusAutocommit
}
