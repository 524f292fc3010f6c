package replication

import (
	"encoding/binary"
	"fmt"
)

// Layout of a QUERY's post-header: thread id u32, seconds u32, length of the
// database name u8, error code u16, length of the status variables u16. The
// status variables, the name, a NUL and the statement follow.
const queryPostHeader = 13

// QueryPrefix is how many bytes of a QUERY hold everything before its statement
// and enough of that to tell a boundary: the two variable parts are at most
// 64 KiB and 255 bytes.
const QueryPrefix = HeaderSize + queryPostHeader + 1<<16 + 256 + 64

// ParseQueryStatement returns the statement of a QUERY event, or of its
// beginning: event may be cut anywhere behind QueryPrefix bytes. whole says that
// it is not cut, so that the checksum at its end is left out.
func ParseQueryStatement(event []byte, checksum Checksum, whole bool) ([]byte, error) {
	end := len(event)
	if whole {
		end -= checksum.Size()
	}
	if end < HeaderSize+queryPostHeader {
		return nil, &MalformedError{What: "post-header", Type: QueryEvent, Reason: fmt.Sprintf("%d bytes", len(event))}
	}
	database := int(event[HeaderSize+8])
	status := int(binary.LittleEndian.Uint16(event[HeaderSize+11:]))
	begin := HeaderSize + queryPostHeader + status + database + 1
	if begin > end {
		return nil, &MalformedError{What: "status variables", Type: QueryEvent, Reason: fmt.Sprintf("they end at %d of %d bytes", begin, end)}
	}
	return event[begin:end], nil
}
