package replication

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Layout of a FORMAT_DESCRIPTION's body: binlog version u16, server version 50
// bytes padded with NUL, created u32, header length u8, one post-header length
// per event type, checksum algorithm u8, checksum 4 bytes. The last two are
// there for every server since MySQL 5.6.1 and MariaDB 5.3, whatever the algorithm.
const (
	fdVersionOffset       = HeaderSize
	fdServerVersionOffset = fdVersionOffset + 2
	fdServerVersionLen    = 50
	fdCreatedOffset       = fdServerVersionOffset + fdServerVersionLen
	fdHeaderLenOffset     = fdCreatedOffset + 4
	fdPostHeaderOffset    = fdHeaderLenOffset + 1
	fdTailLen             = 1 + 4
)

// FormatDescription is what a file's first event says of the events behind it.
type FormatDescription struct {
	ServerVersion string
	Created       uint32 // non-zero only in the first file since the server started
	EventTypes    int    // number of types the writer knows
	Checksum      Checksum
}

// ParseFormatDescription reads a whole FORMAT_DESCRIPTION event. It refuses
// binlog versions other than 4 and checksum algorithms it does not know; it does
// not verify the event's own checksum.
func ParseFormatDescription(event []byte) (FormatDescription, error) {
	malformed := func(format string, args ...any) (FormatDescription, error) {
		return FormatDescription{}, &MalformedError{What: "body", Type: FormatDescriptionEvent, Reason: fmt.Sprintf(format, args...)}
	}
	if len(event) < fdPostHeaderOffset+fdTailLen {
		return malformed("%d bytes", len(event))
	}
	if t := EventType(event[4]); t != FormatDescriptionEvent {
		return malformed("the type is %s", t)
	}
	if v := binary.LittleEndian.Uint16(event[fdVersionOffset:]); v != 4 {
		return malformed("binlog version %d, not 4", v)
	}
	if n := event[fdHeaderLenOffset]; n != HeaderSize {
		return malformed("event headers of %d bytes", n)
	}
	version := event[fdServerVersionOffset : fdServerVersionOffset+fdServerVersionLen]
	if i := bytes.IndexByte(version, 0); i >= 0 {
		version = version[:i]
	}
	checksum := Checksum(event[len(event)-fdTailLen])
	if checksum > ChecksumCRC32 {
		return malformed("checksum algorithm %d", checksum)
	}
	return FormatDescription{
		ServerVersion: string(version),
		Created:       binary.LittleEndian.Uint32(event[fdCreatedOffset:]),
		EventTypes:    len(event) - fdTailLen - fdPostHeaderOffset,
		Checksum:      checksum,
	}, nil
}

// FormatDescriptionEdit says how a stored FORMAT_DESCRIPTION is changed before it is sent.
type FormatDescriptionEdit struct {
	ZeroLogPos  bool // the stream begins behind it in file mode: it must not move the replica's position
	ZeroCreated bool // a replica must not drop its temporary tables
}

// EditFormatDescription changes a whole FORMAT_DESCRIPTION in place to what a
// server sends (mysqld: Binlog_sender::send_format_description_event): the in-use
// bit is always cleared; the checksum is recomputed only if something it covers changed.
func EditFormatDescription(event []byte, edit FormatDescriptionEdit) error {
	format, err := ParseFormatDescription(event)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint16(event[17:], binary.LittleEndian.Uint16(event[17:])&^FlagInUse)
	if edit.ZeroLogPos {
		binary.LittleEndian.PutUint32(event[13:], 0)
	}
	if edit.ZeroCreated {
		binary.LittleEndian.PutUint32(event[fdCreatedOffset:], 0)
	}
	if edit.ZeroLogPos || edit.ZeroCreated {
		reseal(event, format.Checksum)
	}
	return nil
}
