package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Reader decodes the fields of one payload in order. The first field that does
// not fit makes it fail: Err tells which, and every later call returns zero. So
// a decoder reads all its fields and asks once.
type Reader struct {
	message string
	buf     []byte
	off     int
	err     *MalformedError
}

// NewReader returns a Reader over payload. The name of the message is for its
// errors.
func NewReader(message string, payload []byte) Reader {
	return Reader{message: message, buf: payload}
}

// Err returns the *MalformedError of the first field that could not be read.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// Len returns how many bytes have not been read.
func (r *Reader) Len() int { return len(r.buf) - r.off }

// Fail makes the Reader fail at the current place, unless it already has.
func (r *Reader) Fail(field string, cause error) {
	if r.err == nil {
		r.err = &MalformedError{Message: r.message, Field: field, Offset: r.off, Err: cause}
	}
	r.off = len(r.buf)
}

// Bytes reads n bytes, which alias the payload.
func (r *Reader) Bytes(field string, n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > r.Len() {
		r.Fail(field, ErrTruncated)
		return nil
	}
	p := r.buf[r.off : r.off+n : r.off+n]
	r.off += n
	return p
}

// Rest reads all that is left.
func (r *Reader) Rest() []byte { return r.Bytes("rest", r.Len()) }

// Uint8 reads one byte.
func (r *Reader) Uint8(field string) uint8 {
	if p := r.Bytes(field, 1); p != nil {
		return p[0]
	}
	return 0
}

// Uint16 reads two bytes, little-endian like all integers of the protocol.
func (r *Reader) Uint16(field string) uint16 {
	if p := r.Bytes(field, 2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

// Uint24 reads three bytes.
func (r *Reader) Uint24(field string) uint32 {
	if p := r.Bytes(field, 3); p != nil {
		return uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16
	}
	return 0
}

// Uint32 reads four bytes.
func (r *Reader) Uint32(field string) uint32 {
	if p := r.Bytes(field, 4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// Uint64 reads eight bytes.
func (r *Reader) Uint64(field string) uint64 {
	if p := r.Bytes(field, 8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

var (
	errNotLenenc = errors.New("not a length-encoded integer")
	errWrongByte = errors.New("unexpected value")
)

// Lenenc reads a length-encoded integer: one byte up to 250, else FC, FD or FE
// and 2, 3 or 8 bytes. FB (NULL) and FF are no integers.
func (r *Reader) Lenenc(field string) uint64 {
	start := r.off
	switch first := r.Uint8(field); first {
	case 0xfc:
		return uint64(r.Uint16(field))
	case 0xfd:
		return uint64(r.Uint24(field))
	case 0xfe:
		return r.Uint64(field)
	case 0xfb, 0xff:
		r.off = start
		r.Fail(field, errNotLenenc)
		return 0
	default:
		return uint64(first)
	}
}

// LenencBytes reads a length-encoded integer and that many bytes, which alias
// the payload.
func (r *Reader) LenencBytes(field string) []byte {
	n := r.Lenenc(field)
	if n > uint64(r.Len()) {
		r.Fail(field, ErrTruncated)
		return nil
	}
	return r.Bytes(field, int(n))
}

// LenencString is LenencBytes as a copy.
func (r *Reader) LenencString(field string) string { return string(r.LenencBytes(field)) }

// NulString reads up to a NUL, which must be there and is consumed.
func (r *Reader) NulString(field string) string {
	if r.err != nil {
		return ""
	}
	n := bytes.IndexByte(r.buf[r.off:], 0)
	if n < 0 {
		r.Fail(field, ErrTruncated)
		return ""
	}
	s := string(r.Bytes(field, n))
	r.off++
	return s
}

// FinalString reads up to a NUL or, where there is none, to the end.
func (r *Reader) FinalString(field string) string {
	if r.err == nil && bytes.IndexByte(r.buf[r.off:], 0) < 0 {
		return string(r.Rest())
	}
	return r.NulString(field)
}

// Expect reads one byte, which must have this value.
func (r *Reader) Expect(field string, want uint8) {
	if r.Len() > 0 && r.buf[r.off] != want {
		r.Fail(field, errWrongByte)
		return
	}
	r.Uint8(field)
}
