package sql

import (
	"errors"
	"fmt"
	"strings"
)

// SyntaxError says where a statement stops being one: MySQL's error 1064.
type SyntaxError struct {
	Offset int    // byte offset in the statement
	Line   int    // from 1
	Near   string // the text from there on, at most 80 bytes
}

// Error is mysqld's own text (ER_PARSE_ERROR of share/messages_to_clients.txt).
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("You have an error in your SQL syntax; check the manual that corresponds to your MySQL server "+
		"version for the right syntax to use near '%s' at line %d", e.Near, e.Line)
}

// UnsupportedError says that a statement is outside of this dialect although
// mysqld has one that begins like it. The rest of it was not looked at.
type UnsupportedError struct {
	What string // such as "CREATE" or "SELECT ... FROM"
	// Write says that the statement would change data, accounts or logs.
	Write bool
}

// Error names the statement.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("statement %s is not supported", e.What)
}

// ErrEmpty is returned for blanks and semicolons alone: MySQL's error 1065.
var ErrEmpty = errors.New("query was empty")

// ErrTooMany is returned when a list has more than MaxItems items: MySQL's error 1117.
var ErrTooMany = errors.New("too many columns")

const maxNear = 80 // bytes of text in a SyntaxError, as in mysqld's "%-.80s"

// syntaxError makes the error for the token at offset.
func syntaxError(text string, offset int) error {
	near := text[offset:]
	if len(near) > maxNear {
		near = near[:maxNear]
	}
	return &SyntaxError{Offset: offset, Line: 1 + strings.Count(text[:offset], "\n"), Near: strings.ToValidUTF8(near, "")}
}

// otherStatements are mysqld's statements outside of this dialect, by first word,
// with whether they write.
var otherStatements = map[string]bool{
	"ALTER": true, "ANALYZE": true, "BINLOG": true, "CALL": true, "CHANGE": true, "CLONE": true, "CREATE": true,
	"DELETE": true, "DROP": true, "FLUSH": true, "GRANT": true, "IMPORT": true, "INSERT": true, "INSTALL": true,
	"LOAD": true, "OPTIMIZE": true, "PURGE": true, "RENAME": true, "REPAIR": true, "REPLACE": true, "RESET": true,
	"RESTART": true, "REVOKE": true, "SHUTDOWN": true, "START": false, "STOP": true, "TRUNCATE": true,
	"UNINSTALL": true, "UPDATE": true,
	"BEGIN": false, "CACHE": false, "CHECK": false, "CHECKSUM": false, "COMMIT": false, "DEALLOCATE": false,
	"DESC": false, "DESCRIBE": false, "DO": false, "EXECUTE": false, "EXPLAIN": false, "HANDLER": false, "HELP": false,
	"LOCK": false, "PREPARE": false, "RELEASE": false, "ROLLBACK": false, "SAVEPOINT": false, "TABLE": false,
	"UNLOCK": false, "VALUES": false, "WITH": false, "XA": false,
}
