package replication

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Checksum is the algorithm that ends each event of a file, as its
// FORMAT_DESCRIPTION declares it (mysqld: enum_binlog_checksum_alg).
type Checksum uint8

const (
	ChecksumNone  Checksum = 0
	ChecksumCRC32 Checksum = 1
)

// String returns the value of @@binlog_checksum that selects the algorithm.
func (c Checksum) String() string {
	switch c {
	case ChecksumNone:
		return "NONE"
	case ChecksumCRC32:
		return "CRC32"
	}
	return fmt.Sprintf("UNKNOWN(%d)", uint8(c))
}

// Size is the number of bytes the checksum takes at the end of an event.
func (c Checksum) Size() int {
	if c == ChecksumCRC32 {
		return 4
	}
	return 0
}

// ChecksumError reports an event whose bytes do not give the sum that it carries.
type ChecksumError struct {
	Type     EventType
	Size     uint32
	Expected uint32 // as stored in the event
	Found    uint32 // computed over its bytes
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("checksum of a %s event of %d bytes: expected %08x, found %08x", e.Type, e.Size, e.Expected, e.Found)
}

// UpdateCRC continues an event's CRC32 (zlib polynomial) over p. The first call
// takes 0 and bytes that begin with the event's header.
//
// The in-use bit of a FORMAT_DESCRIPTION does not count: the server sets it in
// the open file without touching the sum (mysqld: Log_event_footer::event_checksum_test).
// first says that p begins with the header.
func UpdateCRC(crc uint32, p []byte, first bool) uint32 {
	if first && len(p) >= HeaderSize && EventType(p[4]) == FormatDescriptionEvent && p[17]&byte(FlagInUse) != 0 {
		var head [HeaderSize]byte
		copy(head[:], p)
		head[17] &^= byte(FlagInUse)
		crc = crc32.Update(crc, crc32.IEEETable, head[:])
		p = p[HeaderSize:]
	}
	return crc32.Update(crc, crc32.IEEETable, p)
}

// VerifyChecksum checks the CRC32 at the end of a whole event. It returns a
// *ChecksumError when it does not match.
func VerifyChecksum(event []byte) error {
	n := len(event) - ChecksumCRC32.Size()
	if n < HeaderSize {
		return &MalformedError{What: "checksum", Reason: fmt.Sprintf("event of %d bytes", len(event))}
	}
	expected := binary.LittleEndian.Uint32(event[n:])
	if found := UpdateCRC(0, event[:n], true); found != expected {
		return &ChecksumError{Type: EventType(event[4]), Size: uint32(len(event)), Expected: expected, Found: found}
	}
	return nil
}

// seal writes the final size into the event that starts at dst[start:] and, with
// CRC32, appends its sum.
func seal(dst []byte, start int, checksum Checksum) []byte {
	binary.LittleEndian.PutUint32(dst[start+9:], uint32(len(dst)-start+checksum.Size()))
	if checksum != ChecksumCRC32 {
		return dst
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// reseal recomputes the CRC32 of a whole event whose bytes were changed in place.
func reseal(event []byte, checksum Checksum) {
	if checksum == ChecksumCRC32 {
		n := len(event) - 4
		binary.LittleEndian.PutUint32(event[n:], crc32.ChecksumIEEE(event[:n]))
	}
}
