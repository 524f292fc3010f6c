package fakesource

import (
	"encoding/binary"
	"hash/crc32"
)

// appendCRC ends the event at file[start:] with its checksum.
func appendCRC(file []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(file[start:]))
}

// Seal ends an event, which is all but its checksum, with that.
func Seal(event []byte) []byte { return appendCRC(event, 0) }
