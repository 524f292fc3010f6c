package replica

import (
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// receiveBuffer is the size of the one buffer of a connection. An event that
// does not fit goes to the sink in parts.
const receiveBuffer = 1 << 20

// First bytes of a payload in a dump.
const (
	payloadEvent = 0x00
	payloadEOF   = 0xfe
	payloadError = 0xff
)

// errEndOfStream says that the source ended the dump with an EOF packet, as
// mysqld does when it shuts down.
var errEndOfStream = errors.New("the source ended the stream")

// phase is what the stream must bring next.
type phase uint8

const (
	expectRotate   phase = iota // the artificial ROTATE, first of a connection
	expectFormat                // the FORMAT_DESCRIPTION behind an artificial ROTATE
	expectPrevious              // in a file behind a gap: PREVIOUS_GTIDS, if it has any
	inFile                      // any event of the file
	fileEnded                   // the stored ROTATE was seen: the artificial one
)

// receiver turns the stream of one connection into calls of a sink. It knows
// what is data by where it stands in the stream, never by an event's end
// position. One goroutine uses it.
type receiver struct {
	packets packets
	sink    Sink
	count   *counters

	phase    phase
	position replication.Position // behind the last whole event; it counts event sizes only
	checksum replication.Checksum // of the next event: the announced one, then the last FORMAT_DESCRIPTION's
	stored   bool                 // the FORMAT_DESCRIPTION that is expected stands in the file we receive: it is data
	next     string               // what the stored ROTATE named
	gap      *gapRecord           // not nil: to be recorded with the first file

	begin     replication.Position // where the connection began
	compareTo replication.Position // the end of what was held when the connection began
	beaten    bool                 // a heartbeat came
	ready     func()               // called once the stream is behind compareTo; nil after
	event     eventState           // of the event that is coming in parts
}

func newReceiver(sink Sink, count *counters, at replication.Position) *receiver {
	return &receiver{sink: sink, count: count, position: at, begin: at, checksum: announcedChecksum}
}

// outcome says what became of the connection.
func (r *receiver) outcome() attempt {
	atHeld := r.position.File == r.compareTo.File && r.position.Offset <= r.compareTo.Offset
	return attempt{
		resumed: r.begin.Offset > replication.FirstEventOffset,
		moved:   r.position != r.begin,
		useful:  r.position != r.begin && !atHeld || r.beaten,
	}
}

// run receives until something ends the connection. It never returns nil.
func (r *receiver) run() error {
	defer r.count.publish(r)
	for {
		if err := r.step(); err != nil {
			return err
		}
	}
}

// payload takes the next payload, which must be an event.
func (r *receiver) payload() error {
	length, longer, err := r.packets.begin()
	if err != nil {
		return r.malformed(err)
	}
	want := length
	if length+wire.HeaderLen > len(r.packets.buf) {
		want = 1 + replication.EventPrefix
	}
	p, err := r.packets.part(want)
	if err != nil {
		return err
	}
	if len(p) == 0 {
		return r.misfit("an empty packet")
	}
	if p[0] != payloadEvent {
		return r.notAnEvent(p, length)
	}
	event := p[1:]
	h, err := replication.ParseHeader(event)
	if err != nil {
		return r.misfit("%w", err)
	}
	if size := int64(length) - 1; int64(h.Size) != size && (!longer || int64(h.Size) < size) {
		return r.misfit("a %s event of %d bytes in a packet for %d", h.Type, h.Size, size)
	}
	if len(event) == int(h.Size) {
		if err := r.whole(h, event); err != nil {
			return err
		}
	} else if err := r.parts(h, event); err != nil {
		return err
	}
	if longer {
		return r.expectEnd(h)
	}
	return nil
}

// expectEnd checks that a payload of several packets ends with its event.
func (r *receiver) expectEnd(h replication.Header) error {
	ended, err := r.packets.end()
	if err != nil {
		return r.malformed(err)
	}
	if !ended {
		return r.misfit("a packet goes on behind its %s event of %d bytes", h.Type, h.Size)
	}
	return nil
}

// notAnEvent gives the error for a payload that ends the stream.
func (r *receiver) notAnEvent(p []byte, length int) error {
	switch {
	case p[0] == payloadError:
		e, err := wire.DecodeError(p)
		if err != nil {
			return r.misfit("%w", err)
		}
		return e
	case p[0] == payloadEOF && length < 9: // as every client tells EOF from a row
		return errEndOfStream
	}
	return r.misfit("a packet of %d bytes that begins with %02x", length, p[0])
}

// whole takes an event that lies in the buffer as a whole.
func (r *receiver) whole(h replication.Header, event []byte) error {
	switch h.Type {
	case replication.FormatDescriptionEvent:
		return r.formatDescription(h, event)
	case replication.HeartbeatEvent, replication.HeartbeatV2Event:
		return r.heartbeat(event)
	case replication.RotateEvent:
		if h.Artificial() {
			return r.artificialRotate(event)
		}
	}
	if err := r.beforeData(h); err != nil {
		return err
	}
	if r.checksum == replication.ChecksumCRC32 {
		if err := replication.VerifyChecksum(event); err != nil {
			return r.misfit("%w", err)
		}
	}
	if h.Type == replication.RotateEvent {
		if err := r.storedRotate(event); err != nil {
			return err
		}
	}
	if r.gap != nil {
		if err := r.recordGap(h, event); err != nil {
			return err
		}
	}
	return r.keep(h, event)
}

// keep hands a whole event to the sink.
func (r *receiver) keep(h replication.Header, event []byte) error {
	if err := r.sink.Append(event, true); err != nil {
		return &sinkError{err}
	}
	r.advance(h)
	return nil
}

// beforeData refuses an event of a file where none may come.
func (r *receiver) beforeData(h replication.Header) error {
	if r.phase != inFile && r.phase != expectPrevious {
		return r.misfit("a %s event where the source must say which file begins", h.Type)
	}
	if h.Artificial() {
		return r.misfit("a %s event that is artificial", h.Type)
	}
	return nil
}

// advance counts an event that the sink has taken.
func (r *receiver) advance(h replication.Header) {
	r.position.Offset += int64(h.Size)
	if r.phase == expectPrevious {
		r.phase = inFile
	}
	if h.Type == replication.RotateEvent {
		r.phase = fileEnded
	}
	r.count.event(h)
	if r.ready != nil {
		r.checkReady()
	}
}

// checkReady reports, once, that the stream has come behind what was held.
func (r *receiver) checkReady() {
	if r.ready == nil || r.position.File == r.compareTo.File && r.position.Offset < r.compareTo.Offset {
		return
	}
	r.ready()
	r.ready = nil
}

// formatDescription takes a file's first event. It is data only where the
// stream begins with the file: before an event further on, the source sends it
// for its checksum algorithm alone.
func (r *receiver) formatDescription(h replication.Header, event []byte) error {
	if r.phase != expectFormat {
		return r.misfit("a FORMAT_DESCRIPTION event that nothing announced")
	}
	if r.stored && h.Artificial() {
		return r.misfit("a FORMAT_DESCRIPTION event of a file that is artificial")
	}
	format, err := replication.ParseFormatDescription(event)
	if err != nil {
		return r.misfit("%w", err)
	}
	if format.Checksum == replication.ChecksumCRC32 {
		if err := replication.VerifyChecksum(event); err != nil {
			return r.misfit("%w", err)
		}
	}
	r.checksum = format.Checksum
	r.phase = inFile
	if !r.stored {
		r.checkReady()
		return nil
	}
	if r.gap != nil {
		r.gap.hold(event)
		r.phase = expectPrevious
		return nil
	}
	return r.beginFile(h, event)
}

// beginFile hands over a file's first event.
func (r *receiver) beginFile(h replication.Header, event []byte) error {
	if err := r.sink.StartFile(r.position.File); err != nil {
		return &sinkError{err}
	}
	return r.keep(h, event)
}

// heartbeat checks that the source stands where we do. It is never data. In a
// dump by file and position nothing is left out, so the source can be neither
// behind us nor ahead (mysqld: Binlog_sender::send_heartbeat_event).
func (r *receiver) heartbeat(event []byte) error {
	if r.phase != inFile {
		return r.misfit("a heartbeat where the source must say which file begins")
	}
	if r.checksum == replication.ChecksumCRC32 {
		if err := replication.VerifyChecksum(event); err != nil {
			return r.misfit("%w", err)
		}
	}
	hb, err := replication.ParseHeartbeat(event, r.checksum)
	if err != nil {
		return r.misfit("%w", err)
	}
	ours := r.position.Offset
	if replication.EventType(event[4]) == replication.HeartbeatEvent {
		ours &= 1<<32 - 1
	}
	if hb.File != r.position.File || hb.Offset != ours {
		return r.misfit("the source's heartbeat says that it stands at %q:%d", hb.File, hb.Offset)
	}
	r.beaten = true
	r.count.heartbeat(r)
	return nil
}

// misfit is the error for bytes that make no sense here.
func (r *receiver) misfit(format string, args ...any) error {
	return &StreamError{Position: r.position, Err: fmt.Errorf(format, args...)}
}

// malformed makes an error of the packet layer one of the stream; errors of the
// connection stay what they are.
func (r *receiver) malformed(err error) error {
	var sequence *wire.SequenceError
	if errors.As(err, &sequence) {
		return r.misfit("%w", err)
	}
	return err
}
