package replication

import (
	"encoding/binary"
	"fmt"
)

// GTIDEvent is what a GTID, ANONYMOUS_GTID or GTID_TAGGED event says of the
// transaction that follows it.
type GTIDEvent struct {
	GTID           GTID // zero for an anonymous transaction
	LastCommitted  int64
	SequenceNumber int64
	// ImmediateCommit and OriginalCommit are microseconds since 1970: when the
	// transaction was committed on this server and where it began. 0 where the
	// server (before 8.0) does not write them.
	ImmediateCommit int64
	OriginalCommit  int64
	// Length is the size of the whole transaction in bytes, this event and all
	// checksums included; 0 where the server (before 8.0.2) does not write it.
	Length uint64
}

// Layout of a GTID's body (mysqld: Gtid_event): flags u8, uuid 16 bytes, number
// i64, then, since 5.7, a type code u8 = 2, last_committed i64, sequence_number
// i64; since 8.0, commit time 7 bytes with the top bit saying that the original
// one follows, length as packed integer, server version u32.
const (
	gtidNumberOffset = HeaderSize + 1 + 16
	gtidPostHeader   = HeaderSize + 1 + 16 + 8
	logicalTypeCode  = 2
)

// ParseGTIDEvent reads a whole GTID, ANONYMOUS_GTID or GTID_TAGGED event. Apart
// from a tag it allocates nothing; a tag equal to known is not allocated again.
func ParseGTIDEvent(event []byte, checksum Checksum, known Tag) (GTIDEvent, error) {
	if len(event) < HeaderSize+checksum.Size() {
		return GTIDEvent{}, &MalformedError{What: "body", Reason: fmt.Sprintf("%d bytes", len(event))}
	}
	t := EventType(event[4])
	event = event[:len(event)-checksum.Size()]
	switch t {
	case GTIDEventType, AnonymousGTIDEvent:
		return parseUntaggedGTID(event, t)
	case GTIDTaggedEvent:
		return parseTaggedGTID(event[HeaderSize:], known)
	}
	return GTIDEvent{}, &MalformedError{What: "type", Type: t, Reason: "not a GTID event"}
}

func parseUntaggedGTID(event []byte, t EventType) (GTIDEvent, error) {
	malformed := func(format string, args ...any) (GTIDEvent, error) {
		return GTIDEvent{}, &MalformedError{What: "body", Type: t, Reason: fmt.Sprintf(format, args...)}
	}
	if len(event) < gtidPostHeader {
		return malformed("%d bytes", len(event))
	}
	var e GTIDEvent
	if t == GTIDEventType {
		copy(e.GTID.UUID[:], event[HeaderSize+1:])
		e.GTID.Number = int64(binary.LittleEndian.Uint64(event[gtidNumberOffset:]))
		if e.GTID.Number <= 0 || e.GTID.Number > MaxGTIDNumber {
			return malformed("number %d", e.GTID.Number)
		}
	}
	b := event[gtidPostHeader:]
	if len(b) < 17 || b[0] != logicalTypeCode {
		return e, nil
	}
	e.LastCommitted = int64(binary.LittleEndian.Uint64(b[1:]))
	e.SequenceNumber = int64(binary.LittleEndian.Uint64(b[9:]))
	b = b[17:]
	if len(b) < 7 {
		return e, nil
	}
	const originalFollows = 1 << 55
	e.ImmediateCommit = int64(uint56(b))
	e.OriginalCommit = e.ImmediateCommit
	b = b[7:]
	if e.ImmediateCommit&originalFollows != 0 {
		if len(b) < 7 {
			return malformed("it ends in the original commit time")
		}
		e.ImmediateCommit &^= originalFollows
		e.OriginalCommit = int64(uint56(b))
		b = b[7:]
	}
	if len(b) > 0 {
		var ok bool
		if e.Length, _, ok = readPackedInt(b); !ok {
			return malformed("it ends in the transaction's length")
		}
	}
	return e, nil
}

func uint56(b []byte) uint64 {
	_ = b[6]
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48
}

// Fields of a GTID_TAGGED's body (mysqld: Gtid_event::define_fields).
const (
	taggedFlags = iota
	taggedUUID
	taggedNumber
	taggedTag
	taggedLastCommitted
	taggedSequenceNumber
	taggedImmediateCommit
	taggedOriginalCommit
	taggedLength
	taggedImmediateVersion
	taggedOriginalVersion
	taggedCommitGroupTicket
)

// parseTaggedGTID reads a message of MySQL's serialization library: version,
// size, last field that must be known, then (field id, value) in rising order; a
// field that is left out has its default.
func parseTaggedGTID(body []byte, known Tag) (GTIDEvent, error) {
	malformed := func(format string, args ...any) (GTIDEvent, error) {
		return GTIDEvent{}, &MalformedError{What: "body", Type: GTIDTaggedEvent, Reason: fmt.Sprintf(format, args...)}
	}
	c := varintCursor{b: body}
	version, size := c.unsigned(), c.unsigned()
	read := len(body) - len(c.b)
	if c.bad || version != 1 || size < uint64(read) || size > uint64(len(body)) {
		return malformed("version %d, %d bytes of %d", version, size, len(body))
	}
	c.b = c.b[:int(size)-read]
	lastMustKnow := c.unsigned()
	if lastMustKnow > taggedCommitGroupTicket+1 {
		return malformed("field %d must be understood", lastMustKnow-1)
	}
	var e GTIDEvent
	hasOriginal := false
	last := -1
	for len(c.b) > 0 && !c.bad {
		field := c.unsigned()
		if field > taggedCommitGroupTicket {
			break // later servers' fields, which need not be understood
		}
		if int(field) <= last {
			return malformed("field %d after field %d", field, last)
		}
		last = int(field)
		switch field {
		case taggedUUID:
			for i := range e.GTID.UUID {
				v := c.unsigned()
				if v > 255 {
					return malformed("a byte of the uuid is %d", v)
				}
				e.GTID.UUID[i] = byte(v)
			}
		case taggedNumber:
			e.GTID.Number = c.signed()
		case taggedTag:
			tag := c.bytes()
			if string(tag) == string(known) {
				e.GTID.Tag = known
			} else if parsed, err := ParseTag(string(tag)); err == nil {
				e.GTID.Tag = parsed
			} else {
				return malformed("%v", err)
			}
		case taggedLastCommitted:
			e.LastCommitted = c.signed()
		case taggedSequenceNumber:
			e.SequenceNumber = c.signed()
		case taggedImmediateCommit:
			e.ImmediateCommit = int64(c.unsigned())
		case taggedOriginalCommit:
			e.OriginalCommit, hasOriginal = int64(c.unsigned()), true
		case taggedLength:
			e.Length = c.unsigned()
		default: // flags, versions, ticket: nothing we use
			c.unsigned()
		}
	}
	if c.bad {
		return malformed("it ends within field %d", last)
	}
	if e.GTID.Number <= 0 || e.GTID.Number > MaxGTIDNumber {
		return malformed("number %d", e.GTID.Number)
	}
	if !hasOriginal {
		e.OriginalCommit = e.ImmediateCommit
	}
	return e, nil
}
