package server

import "github.com/binlogproxy/binlogproxy/internal/wire"

// Limits of one session's user variables, which live as long as it does.
const (
	maxUserVariables     = 1024
	maxUserVariableBytes = 4 << 20 // names and values together
)

// userVariables are the @variables of a session, by lower-case name. The zero
// value is ready to use.
type userVariables struct {
	values map[string]value
	bytes  int
}

// get returns NULL for a variable that was never set; set tells the difference.
func (u *userVariables) get(name string) (v value, set bool) {
	v, set = u.values[name]
	return v, set
}

// first returns the first of several names that was ever set; ok is false if it is
// NULL or none was. Names have changed with MySQL 8.0.26, and mysqld reads the new
// one first (sql/rpl_binlog_sender.cc, get_user_var_from_alternatives).
func (u *userVariables) first(names ...string) (v value, ok bool) {
	for _, name := range names {
		if v, set := u.values[name]; set {
			return v, !v.isNull()
		}
	}
	return value{}, false
}

func (u *userVariables) set(name string, v value) *wire.Error {
	old, exists := u.values[name]
	bytes := u.bytes + len(v.text) - len(old.text)
	if !exists {
		bytes += len(name)
	}
	if bytes > maxUserVariableBytes || !exists && len(u.values) == maxUserVariables {
		return wire.Errorf(wire.EROutOfResources, "Out of memory; a session's user variables may take %d bytes", maxUserVariableBytes)
	}
	if u.values == nil {
		u.values = make(map[string]value)
	}
	u.values[name], u.bytes = v, bytes
	return nil
}

func (u *userVariables) clear() { *u = userVariables{} }
