package replication

import (
	"fmt"
)

// Heartbeat is either form of a heartbeat: the end of what the source has sent
// or skipped.
type Heartbeat struct {
	File   string
	Offset int64 // 64 bits in version 2; the low 32 bits in version 1
}

// Fields of a version 2 heartbeat's body (mysqld: codecs/binary.cc,
// Heartbeat of mysql::binlog::event::codecs): type, length, value.
const (
	hbEndMark = 0
	hbLogName = 1
	hbLogPos  = 2
)

// ParseHeartbeat reads a whole HEARTBEAT or HEARTBEAT_V2 event.
func ParseHeartbeat(event []byte, checksum Checksum) (Heartbeat, error) {
	h, err := ParseHeader(event)
	if err != nil {
		return Heartbeat{}, err
	}
	end := len(event) - checksum.Size()
	if end < HeaderSize {
		return Heartbeat{}, &MalformedError{What: "body", Type: h.Type, Reason: fmt.Sprintf("%d bytes", len(event))}
	}
	body := event[HeaderSize:end]
	switch h.Type {
	case HeartbeatEvent:
		return Heartbeat{File: string(body), Offset: int64(h.LogPos)}, nil
	case HeartbeatV2Event:
		return parseHeartbeatV2(body)
	}
	return Heartbeat{}, &MalformedError{What: "type", Type: h.Type, Reason: "not a heartbeat"}
}

func parseHeartbeatV2(body []byte) (Heartbeat, error) {
	var hb Heartbeat
	malformed := &MalformedError{What: "body", Type: HeartbeatV2Event, Reason: "a field ends beyond the event"}
	for {
		field, rest, ok := readPackedInt(body)
		if !ok {
			return Heartbeat{}, malformed
		}
		if field == hbEndMark {
			return hb, nil
		}
		n, rest, ok := readPackedInt(rest)
		if !ok || n > uint64(len(rest)) {
			return Heartbeat{}, malformed
		}
		value := rest[:n]
		body = rest[n:]
		switch field {
		case hbLogName:
			hb.File = string(value)
		case hbLogPos:
			pos, left, ok := readPackedInt(value)
			if !ok || len(left) != 0 || pos > 1<<63-1 {
				return Heartbeat{}, malformed
			}
			hb.Offset = int64(pos)
		}
	}
}

// AppendHeartbeat appends a heartbeat of version 1: timestamp 0, flags 0, end
// position in the header, body = file name.
func AppendHeartbeat(dst []byte, serverID uint32, hb Heartbeat, checksum Checksum) []byte {
	start := len(dst)
	dst = Header{Type: HeartbeatEvent, ServerID: serverID, LogPos: uint32(hb.Offset)}.Append(dst)
	dst = append(dst, hb.File...)
	return seal(dst, start, checksum)
}

// AppendHeartbeatV2 appends a heartbeat of version 2, whose body carries all 64
// bits of the position.
func AppendHeartbeatV2(dst []byte, serverID uint32, hb Heartbeat, checksum Checksum) []byte {
	start := len(dst)
	dst = Header{Type: HeartbeatV2Event, ServerID: serverID, LogPos: uint32(hb.Offset)}.Append(dst)
	dst = append(dst, hbLogName)
	dst = appendPackedInt(dst, uint64(len(hb.File)))
	dst = append(dst, hb.File...)
	dst = append(dst, hbLogPos)
	pos := appendPackedInt(nil, uint64(hb.Offset))
	dst = append(dst, byte(len(pos)))
	dst = append(dst, pos...)
	dst = append(dst, hbEndMark)
	return seal(dst, start, checksum)
}
