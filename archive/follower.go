package archive

import (
	"encoding/binary"
	"fmt"

	"github.com/binlogproxy/binlogproxy/replication"
)

// follower reads along with a file's bytes, event by event, and knows at each
// event's end where it stands. The receive loop and recovery use the same one, so
// that an index rebuilt is the index written.
type follower struct {
	name       string
	indexEvery int64

	at cursor // behind the last whole event

	// The event whose parts are being taken; seen == 0 between events.
	seen     int64
	header   replication.Header
	effect   replication.Effect
	tracker  replication.Transactions // after the event
	previous []byte                   // of a PREVIOUS_GTIDS in parts
}

// cursor is what is known of a file at the end of one of its events. It is a value:
// copies of it are what a commit publishes and what a failed one goes back to.
type cursor struct {
	offset       int64 // behind the event
	boundary     int64 // the last transaction boundary at or before offset
	tracker      replication.Transactions
	block        int64 // where the last index entry stands, 0 for none
	blockTimes   timeSpan
	times        timeSpan
	events       int64
	transactions int64
	lastTime     int64                                   // of the last event, seconds since 1970 by the source's clock
	begun        [replication.GTIDTransactions + 1]int64 // by kind: behind the event that begins the last transaction of it; 0 for none
	next         string                                  // the file that follows, if the last event was the file's own end; "" otherwise
	format       replication.FormatDescription
	previous     *replication.GTIDSet // of PREVIOUS_GTIDS, never changed; nil before it
}

// timeSpan is the smallest and the largest commit time of some transactions, in
// microseconds since 1970; zero for none.
type timeSpan struct{ first, last int64 }

func (s *timeSpan) add(t int64) {
	if s.first == 0 || t < s.first {
		s.first = t
	}
	s.last = max(s.last, t)
}

// outcome is what the end of an event means for what is collected beside the bytes.
type outcome struct {
	gtid     replication.GTID // of the transaction that ended with the event; zero for none
	previous *replication.GTIDSet
	point    *point // an index entry stands at the event's end
}

// point is a place for an index entry: an event's end.
type point struct {
	offset   int64
	boundary bool // no transaction is open there
	times    timeSpan
	gtids    int // how many of the batch's ranges of GTIDs lie before it
}

// maxPreviousGTIDs bounds the memory that a PREVIOUS_GTIDS event in parts may take.
const maxPreviousGTIDs = 64 << 20

func newFollower(name string, indexEvery int64) follower {
	return follower{name: name, indexEvery: indexEvery,
		at: cursor{offset: replication.FirstEventOffset, boundary: replication.FirstEventOffset}}
}

// abort forgets the parts of an unfinished event.
func (f *follower) abort() { f.seen, f.previous = 0, nil }

// take reads the next part of an event, as Sink.Append describes it. A part that
// it refuses changes nothing.
func (f *follower) take(part []byte, last bool) error {
	if f.seen == 0 {
		if err := f.begin(part, last); err != nil {
			return err
		}
	}
	seen := f.seen + int64(len(part))
	if size := int64(f.header.Size); seen > size || last != (seen == size) || len(part) == 0 {
		return f.fail(fmt.Sprintf("%d bytes of an event of %d, last %v", seen, size, last), nil)
	}
	if f.header.Type == replication.PreviousGTIDsEvent && !(last && f.seen == 0) {
		if seen > maxPreviousGTIDs {
			return f.fail("PREVIOUS_GTIDS larger than 64 MiB", nil)
		}
		f.previous = append(f.previous, part...)
	}
	f.seen = seen
	return nil
}

func (f *follower) begin(part []byte, last bool) error {
	h, err := replication.ParseHeader(part)
	if err != nil {
		return f.fail("", err)
	}
	if first := f.at.offset == replication.FirstEventOffset; first != (h.Type == replication.FormatDescriptionEvent) {
		return f.fail(fmt.Sprintf("a %s event cannot stand here", h.Type), nil)
	}
	if !last && len(part) < replication.EventPrefix {
		return f.fail(fmt.Sprintf("a first part of %d bytes", len(part)), nil)
	}
	tracker := f.at.tracker
	effect, err := tracker.Next(part)
	if err != nil {
		return f.fail("", err)
	}
	f.header, f.effect, f.tracker, f.previous = h, effect, tracker, nil
	return nil
}

// end moves behind the event whose last part was just taken; part is that part.
func (f *follower) end(part []byte) (outcome, error) {
	var out outcome
	at := f.at // on an error nothing has moved
	at.next = ""
	switch f.header.Type {
	case replication.RotateEvent:
		rotate, err := replication.ParseRotate(part, f.tracker.Checksum())
		if err != nil {
			return out, f.fail("", err)
		}
		at.next = rotate.Name
	case replication.StopEvent:
		at.next, _ = replication.NextFileName(f.name) // without a number there is none
	case replication.FormatDescriptionEvent:
		format, err := replication.ParseFormatDescription(part)
		if err != nil {
			return out, f.fail("", err)
		}
		at.format = format
	case replication.PreviousGTIDsEvent:
		if f.previous != nil {
			part = f.previous
		}
		previous, err := replication.ParsePreviousGTIDs(part, f.tracker.Checksum())
		if err != nil {
			return out, f.fail("", err)
		}
		at.previous, out.previous = previous, previous
	}
	at.tracker = f.tracker
	at.move(f.header.Type, f.header.Timestamp, int64(f.header.Size), f.effect, f.indexEvery, &out)
	f.at = at
	f.abort()
	return out, nil
}

// pass does the same for a whole event of the usual kinds, without copies. Of any
// other, and of one that cannot stand here, it returns false and changes nothing.
func (f *follower) pass(event []byte, out *outcome) bool {
	if f.seen > 0 || f.at.offset == replication.FirstEventOffset ||
		replication.ClaimedSize(event) != int64(len(event)) || len(event) > replication.MaxEventSize {
		return false
	}
	kind := replication.EventType(event[4])
	switch kind {
	case replication.RotateEvent, replication.StopEvent, replication.FormatDescriptionEvent, replication.PreviousGTIDsEvent:
		return false
	}
	effect, err := f.at.tracker.Next(event)
	if err != nil {
		return false
	}
	f.at.next = ""
	f.at.move(kind, binary.LittleEndian.Uint32(event), int64(len(event)), effect, f.indexEvery, out)
	return true
}

// move counts an event that the tracker is already behind.
func (at *cursor) move(t replication.EventType, timestamp uint32, size int64, effect replication.Effect, indexEvery int64, out *outcome) {
	at.offset += size
	if kind := replication.KindOf(t); kind != replication.NoTransactions {
		at.begun[kind] = at.offset
	}
	at.events++
	at.lastTime = int64(timestamp)
	if effect.Ends {
		transaction := at.tracker.Current()
		out.gtid = transaction.GTID
		at.transactions++
		committed := transaction.ImmediateCommit
		if committed == 0 {
			committed = int64(timestamp) * 1e6
		}
		at.times.add(committed)
		at.blockTimes.add(committed)
	}
	if !at.tracker.Open() {
		at.boundary = at.offset
	}
	if at.offset-at.block >= indexEvery {
		out.point = &point{offset: at.offset, boundary: !at.tracker.Open(), times: at.blockTimes}
		at.block, at.blockTimes = at.offset, timeSpan{}
	}
}

func (f *follower) fail(reason string, err error) error {
	return &StreamError{Position: replication.Position{File: f.name, Offset: f.at.offset}, Reason: reason, Err: err}
}
