package replication

import "encoding/hex"

// UUID is a server's server_uuid, or the group name under which a replication
// group commits, in the byte order of its text. It is the first part of a GTID.
type UUID [16]byte

const uuidTextSize = 36 // xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx

// String gives the form that mysqld prints: 36 characters, lower case, with dashes.
func (u UUID) String() string {
	return string(u.appendText(make([]byte, 0, uuidTextSize)))
}

func (u UUID) appendText(dst []byte) []byte {
	dst = hex.AppendEncode(dst, u[:4])
	dst = hex.AppendEncode(append(dst, '-'), u[4:6])
	dst = hex.AppendEncode(append(dst, '-'), u[6:8])
	dst = hex.AppendEncode(append(dst, '-'), u[8:10])
	return hex.AppendEncode(append(dst, '-'), u[10:])
}

// ParseUUID reads the three forms that mysqld takes (libs/mysql/gtid/uuid.cpp,
// Uuid::parse): with dashes, without any dash, and with dashes inside braces, in
// either case, with nothing around it. A failure is a *GTIDSyntaxError.
func ParseUUID(s string) (UUID, error) {
	u, size, ok := scanUUID(s)
	if !ok || size < len(s) {
		return UUID{}, &GTIDSyntaxError{What: "UUID", Offset: size, Reason: "expected 32 hexadecimal digits, with dashes behind the 8th, 12th, 16th and 20th"}
	}
	return u, nil
}

// scanUUID reads the UUID that text begins with, in any of its forms, and gives its
// size; if there is none, the offset of the first byte that does not fit.
func scanUUID(text string) (u UUID, size int, ok bool) {
	at := func(i int) byte {
		if i < len(text) {
			return text[i]
		}
		return 0
	}
	pos := 0
	braces := at(0) == '{'
	if braces {
		pos++
	}
	dashes := braces || at(8) == '-'
	for i := range u {
		if dashes && (i == 4 || i == 6 || i == 8 || i == 10) {
			if at(pos) != '-' {
				return UUID{}, pos, false
			}
			pos++
		}
		for range 2 {
			digit := hexDigit(at(pos))
			if digit < 0 {
				return UUID{}, pos, false
			}
			u[i] = u[i]<<4 | byte(digit)
			pos++
		}
	}
	if braces {
		if at(pos) != '}' {
			return UUID{}, pos, false
		}
		pos++
	}
	return u, pos, true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
