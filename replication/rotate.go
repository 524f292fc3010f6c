package replication

import (
	"encoding/binary"
	"fmt"
)

// Rotate is a ROTATE event: position u64, then the name of the next file up to
// the event's end (before the checksum).
type Rotate struct {
	Position uint64
	Name     string
}

// ParseRotate reads a whole ROTATE event that ends with the given checksum. The
// name is returned as it stands; ValidFileName says whether it may become a path.
func ParseRotate(event []byte, checksum Checksum) (Rotate, error) {
	end := len(event) - checksum.Size()
	if end < HeaderSize+8 {
		return Rotate{}, &MalformedError{What: "body", Type: RotateEvent, Reason: fmt.Sprintf("%d bytes", len(event))}
	}
	return Rotate{
		Position: binary.LittleEndian.Uint64(event[HeaderSize:]),
		Name:     string(event[HeaderSize+8 : end]),
	}, nil
}

// AppendFakeRotate appends the artificial ROTATE that a server sends before each
// file: timestamp 0, end position 0, flag artificial (mysqld:
// Binlog_sender::fake_rotate_event).
func AppendFakeRotate(dst []byte, serverID uint32, r Rotate, checksum Checksum) []byte {
	start := len(dst)
	dst = Header{Type: RotateEvent, ServerID: serverID, Flags: FlagArtificial}.Append(dst)
	dst = binary.LittleEndian.AppendUint64(dst, r.Position)
	dst = append(dst, r.Name...)
	return seal(dst, start, checksum)
}
