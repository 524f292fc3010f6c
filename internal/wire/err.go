package wire

import (
	"fmt"
	"unicode/utf8"
)

// Error is an ERR packet, and a Go error (ERR_Packet; sql/protocol_classic.cc,
// net_send_error_packet).
//
//	ff | number u16 | '#' | SQLSTATE, 5 bytes | message to the end of the packet
//
// The mark and SQLSTATE are left out of an ERR that takes the place of the
// greeting, because the client has not said yet that it speaks the 4.1
// protocol: then State is "".
type Error struct {
	Number  uint16
	State   string // five characters, or ""
	Message string // sent up to MaxMessage bytes
}

// MaxMessage is where mysqld cuts the message of an error (MYSQL_ERRMSG_SIZE).
const MaxMessage = 512

const errHeader = 0xff

// Errorf returns an Error with the SQLSTATE of its number.
func Errorf(number uint16, format string, args ...any) *Error {
	return &Error{Number: number, State: sqlState(number), Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if e.State == "" {
		return fmt.Sprintf("error %d: %s", e.Number, e.Message)
	}
	return fmt.Sprintf("error %d (%s): %s", e.Number, e.State, e.Message)
}

// IsError reports whether a payload is an ERR packet, which may arrive in place
// of any other from the server.
func IsError(payload []byte) bool { return len(payload) > 0 && payload[0] == errHeader }

// DecodeError decodes the payload of an ERR packet.
func DecodeError(payload []byte) (*Error, error) {
	e := new(Error)
	r := NewReader("ERR", payload)
	r.Expect("header", errHeader)
	e.Number = r.Uint16("number")
	rest := r.Rest()
	if len(rest) > stateLen && rest[0] == '#' {
		e.State, rest = string(rest[1:1+stateLen]), rest[1+stateLen:]
	}
	e.Message = string(rest)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return e, nil
}

const stateLen = 5

// Append appends the payload to dst.
func (e *Error) Append(dst []byte) []byte {
	dst = append(dst, errHeader)
	dst = le.AppendUint16(dst, e.Number)
	if e.State != "" {
		var state [stateLen]byte
		copy(state[:], e.State+"     ")
		dst = append(append(dst, '#'), state[:]...)
	}
	return append(dst, cutMessage(e.Message)...)
}

// cutMessage cuts s to MaxMessage bytes, not inside a character.
func cutMessage(s string) string {
	if len(s) <= MaxMessage {
		return s
	}
	end := MaxMessage
	for end > MaxMessage-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
