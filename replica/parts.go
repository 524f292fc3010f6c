package replica

import (
	"encoding/binary"

	"github.com/binlogproxy/binlogproxy/replication"
)

// eventState is what is known of an event that comes in parts.
type eventState struct {
	crc  uint32
	done int64   // bytes handed over
	sum  [4]byte // the checksum it carries, as far as it has come
}

// parts takes an event that is longer than the buffer: first holds at least
// replication.EventPrefix bytes of it.
func (r *receiver) parts(h replication.Header, first []byte) error {
	switch {
	case h.Type == replication.FormatDescriptionEvent, h.Type == replication.RotateEvent,
		h.Type == replication.HeartbeatEvent, h.Type == replication.HeartbeatV2Event:
		return r.misfit("a %s event of %d bytes", h.Type, h.Size)
	}
	if err := r.beforeData(h); err != nil {
		return err
	}
	if r.gap != nil {
		if h.Type == replication.PreviousGTIDsEvent {
			return r.collectPrevious(h, first)
		}
		if err := r.recordGap(h, nil); err != nil {
			return err
		}
	}
	r.event = eventState{}
	part := first
	for {
		last := r.event.done+int64(len(part)) == int64(h.Size)
		if err := r.checkPart(h, part, last); err != nil {
			return err
		}
		if err := r.sink.Append(part, last); err != nil {
			return &sinkError{err}
		}
		if last {
			r.advance(h)
			return nil
		}
		var err error
		if part, err = r.nextPart(h); err != nil {
			return err
		}
	}
}

// nextPart returns more bytes of the event.
func (r *receiver) nextPart(h replication.Header) ([]byte, error) {
	part, err := r.packets.part(1)
	if err != nil {
		return nil, r.malformed(err)
	}
	if len(part) == 0 || r.event.done+int64(len(part)) > int64(h.Size) {
		return nil, r.misfit("a packet that does not end with its %s event of %d bytes", h.Type, h.Size)
	}
	return part, nil
}

// checkPart adds a part to the event's checksum, and compares it with the last.
func (r *receiver) checkPart(h replication.Header, part []byte, last bool) error {
	e := &r.event
	covered := int64(h.Size) - int64(r.checksum.Size()) - e.done // bytes before the checksum
	if r.checksum == replication.ChecksumCRC32 {
		n := max(0, min(covered, int64(len(part))))
		if n > 0 {
			e.crc = replication.UpdateCRC(e.crc, part[:n], e.done == 0)
		}
		if n < int64(len(part)) {
			copy(e.sum[max(0, -covered):], part[n:])
		}
	}
	e.done += int64(len(part))
	if !last || r.checksum != replication.ChecksumCRC32 {
		return nil
	}
	if expected := binary.LittleEndian.Uint32(e.sum[:]); expected != e.crc {
		return r.misfit("%w", &replication.ChecksumError{Type: h.Type, Size: h.Size, Expected: expected, Found: e.crc})
	}
	return nil
}
