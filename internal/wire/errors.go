package wire

import (
	"errors"
	"fmt"
)

// ErrTruncated is the cause of a MalformedError when the payload ends before
// the field does.
var ErrTruncated = errors.New("payload ends too early")

// MalformedError says which message could not be decoded, and where. A server
// answers it with ERMalformedPacket (a command) or ERHandshake (during login).
type MalformedError struct {
	Message string // as MySQL names it, e.g. COM_REGISTER_SLAVE
	Field   string
	Offset  int // in the payload, where the field begins
	Err     error
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed %s packet: %s at byte %d: %v", e.Message, e.Field, e.Offset, e.Err)
}

func (e *MalformedError) Unwrap() error { return e.Err }

// PacketTooLargeError reports a payload longer than the reader's limit. Nothing
// of the part that would have crossed the limit was read, so the connection
// cannot go on.
type PacketTooLargeError struct {
	Length int // what the headers read so far add up to; the whole may be longer
	Limit  int
}

func (e *PacketTooLargeError) Error() string {
	return fmt.Sprintf("packet of at least %d bytes, limit is %d", e.Length, e.Limit)
}

// SequenceError reports a packet whose sequence number is not the next one. The
// two sides have lost step, so the connection cannot go on.
type SequenceError struct {
	Got, Want uint8
}

func (e *SequenceError) Error() string {
	return fmt.Sprintf("packet out of order: sequence number %d, expected %d", e.Got, e.Want)
}
