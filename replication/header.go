package replication

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the length of every event's header in binlog version 4
// (MySQL 5.0 and later, MariaDB).
const HeaderSize = 19

// MaxEventSize is the largest event a server writes or accepts
// (max_log_event_size in mysqld; the upper limit of max_allowed_packet).
const MaxEventSize = 1 << 30

// FileMagic stands at the start of every binlog file; the first event follows.
var FileMagic = [4]byte{0xfe, 'b', 'i', 'n'}

// FirstEventOffset is the offset of a binlog file's first event, the
// FORMAT_DESCRIPTION.
const FirstEventOffset int64 = int64(len(FileMagic))

// Event header flags (mysqld: LOG_EVENT_*_F).
const (
	FlagInUse      uint16 = 0x0001 // in a stored FORMAT_DESCRIPTION: the file was not closed; not part of its checksum
	FlagArtificial uint16 = 0x0020 // made for this connection, not in any file
	FlagIgnorable  uint16 = 0x0080 // a reader that does not know the type may skip it
)

// Header is the fixed part at the start of every event, 19 bytes, all integers
// little-endian: timestamp u32, type u8, server id u32, event size u32,
// end position u32, flags u16.
type Header struct {
	Timestamp uint32 // seconds since 1970, by the source's clock
	Type      EventType
	ServerID  uint32
	Size      uint32 // of the whole event: header, body and checksum
	LogPos    uint32 // low 32 bits of the end position as the server wrote it; never used as an offset
	Flags     uint16
}

// ClaimedSize is what the header at the start of b says of the event's size, whether
// or not an event can have it; 0 when b is shorter than a header.
func ClaimedSize(b []byte) int64 {
	if len(b) < HeaderSize {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(b[9:]))
}

// ParseHeader reads the header at the start of b. It fails when b is shorter
// than a header or when the size it claims cannot be an event's.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, &MalformedError{What: "event header", Reason: fmt.Sprintf("%d of %d bytes", len(b), HeaderSize)}
	}
	h := Header{
		Timestamp: binary.LittleEndian.Uint32(b),
		Type:      EventType(b[4]),
		ServerID:  binary.LittleEndian.Uint32(b[5:]),
		Size:      binary.LittleEndian.Uint32(b[9:]),
		LogPos:    binary.LittleEndian.Uint32(b[13:]),
		Flags:     binary.LittleEndian.Uint16(b[17:]),
	}
	if h.Size < HeaderSize || h.Size > MaxEventSize {
		return Header{}, &MalformedError{What: "event header", Type: h.Type, Reason: fmt.Sprintf("event size %d", h.Size)}
	}
	return h, nil
}

// Append appends the header's 19 bytes to dst.
func (h Header) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, h.Timestamp)
	dst = append(dst, byte(h.Type))
	dst = binary.LittleEndian.AppendUint32(dst, h.ServerID)
	dst = binary.LittleEndian.AppendUint32(dst, h.Size)
	dst = binary.LittleEndian.AppendUint32(dst, h.LogPos)
	return binary.LittleEndian.AppendUint16(dst, h.Flags)
}

// Artificial reports whether the event was made for a connection and stands in
// no file.
func (h Header) Artificial() bool { return h.Flags&FlagArtificial != 0 }

// MalformedError says which part of an event could not be read, and why.
type MalformedError struct {
	What   string    // the part, in MySQL's words
	Type   EventType // of the event; 0 where unknown
	Reason string
}

func (e *MalformedError) Error() string {
	if e.Type == 0 {
		return fmt.Sprintf("malformed %s: %s", e.What, e.Reason)
	}
	return fmt.Sprintf("malformed %s in %s event: %s", e.What, e.Type, e.Reason)
}
