package replication

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in one server's binlog: a file and a byte offset in it.
// Offsets are counted from event sizes; the 32-bit end_log_pos of an event
// header never becomes one.
type Position struct {
	File   string
	Offset int64
}

// String returns "file:offset".
func (p Position) String() string { return p.File + ":" + strconv.FormatInt(p.Offset, 10) }

// ParsePosition is the inverse of String. It refuses names that ValidFileName
// refuses and offsets below 0.
func ParsePosition(s string) (Position, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return Position{}, fmt.Errorf("position %q: expected FILE:OFFSET", s)
	}
	offset, err := strconv.ParseInt(s[i+1:], 10, 64)
	if err != nil || offset < 0 || s[i+1] == '+' {
		return Position{}, fmt.Errorf("position %q: the offset is not a number of bytes", s)
	}
	if err := ValidFileName(s[:i]); err != nil {
		return Position{}, fmt.Errorf("position %q: %w", s, err)
	}
	return Position{File: s[:i], Offset: offset}, nil
}

// maxFileName is the longest binlog file name accepted from a source, in bytes.
const maxFileName = 255

// ValidFileName says whether a name that came from a source may become a path:
// letters, digits, '.', '_' and '-', beginning with a letter or digit, ending
// with '.' and at least six digits, at most 255 bytes.
func ValidFileName(name string) error {
	if len(name) > maxFileName {
		return fmt.Errorf("binlog file name of %d bytes: at most %d", len(name), maxFileName)
	}
	dot := strings.LastIndexByte(name, '.')
	ok := dot > 0 && len(name)-dot-1 >= 6 && isAlphanumeric(name[0])
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		if i > dot {
			ok = c >= '0' && c <= '9'
		} else {
			ok = isAlphanumeric(c) || c == '.' || c == '_' || c == '-'
		}
	}
	if !ok {
		return fmt.Errorf("%q is not a binlog file name", name)
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// NextFileName is the name that a server gives the file after last: the number
// plus one, in at least six digits (mysqld: MYSQL_BIN_LOG::generate_new_name).
func NextFileName(last string) (string, error) {
	if err := ValidFileName(last); err != nil {
		return "", err
	}
	dot := strings.LastIndexByte(last, '.')
	n, err := strconv.ParseUint(last[dot+1:], 10, 63)
	if err != nil {
		return "", fmt.Errorf("%q has no next file name: %w", last, err)
	}
	return fmt.Sprintf("%s.%06d", last[:dot], n+1), nil
}
