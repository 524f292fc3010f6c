package replication

import (
	"bytes"
	"encoding/binary"
)

// Transactions follows the transaction boundaries of a file, event by event. The
// zero value stands before a file's FORMAT_DESCRIPTION.
//
// What counts as one transaction is what a replica applies as a whole (mysqld:
// Log_event::starts_group, ends_group and rpl_transaction_boundary_parser): from
// a GTID event to its XID, COMMIT, ROLLBACK, XA_PREPARE or TRANSACTION_PAYLOAD,
// or to the one statement behind it that stands outside BEGIN (DDL). Events
// between transactions (FORMAT_DESCRIPTION, PREVIOUS_GTIDS, ROTATE, STOP) belong to none.
type Transactions struct {
	checksum Checksum
	open     bool // a transaction began and has not ended
	begun    bool // its BEGIN or XA START was seen: statements do not end it
	current  GTIDEvent
	lastTag  Tag
}

// Between gives what stands between two transactions of a file whose FORMAT_DESCRIPTION
// declared checksum.
func Between(checksum Checksum) Transactions { return Transactions{checksum: checksum} }

// Effect is what one event means for the transaction it stands in.
type Effect struct {
	Begins bool // the event is the first of a transaction
	Ends   bool // the event is the last of a transaction
}

// EventPrefix is how many bytes of an event Next needs at most, checksum included:
// all of a FORMAT_DESCRIPTION or GTID event, and the start of a QUERY.
const EventPrefix = QueryPrefix

// Open reports whether the last event left a transaction unfinished.
func (t *Transactions) Open() bool { return t.open }

// Checksum is the algorithm that the file's FORMAT_DESCRIPTION declared.
func (t *Transactions) Checksum() Checksum { return t.checksum }

// Current is the GTID event of the transaction that is open or has just ended,
// valid until the next call of Next; zero where it has none.
func (t *Transactions) Current() *GTIDEvent { return &t.current }

// Next takes the next event of the file. event holds all of it, or, of a larger
// one, at least EventPrefix bytes; its header is a valid one (ParseHeader). It
// allocates nothing unless a tag changes.
func (t *Transactions) Next(event []byte) (Effect, error) {
	_ = event[HeaderSize-1]
	switch EventType(event[4]) {
	case FormatDescriptionEvent:
		format, err := ParseFormatDescription(event)
		if err != nil {
			return Effect{}, err
		}
		*t = Transactions{checksum: format.Checksum, lastTag: t.lastTag}
		return Effect{}, nil
	case PreviousGTIDsEvent, RotateEvent, StopEvent, HeartbeatEvent, HeartbeatV2Event:
		return Effect{}, nil
	case GTIDEventType, AnonymousGTIDEvent, GTIDTaggedEvent:
		gtid, err := ParseGTIDEvent(event, t.checksum, t.lastTag)
		if err != nil {
			return Effect{}, err
		}
		t.current, t.lastTag = gtid, gtid.GTID.Tag
		t.open, t.begun = true, false
		return Effect{Begins: true}, nil
	case QueryEvent:
		statement, err := ParseQueryStatement(event, t.checksum, int64(len(event)) == ClaimedSize(event))
		if err != nil {
			return Effect{}, err
		}
		return t.statement(statement), nil
	case XIDEvent, XAPrepareEvent, TransactionPayloadEvent:
		return t.step(true), nil
	case IncidentEvent, ExecuteLoadQueryEvent:
		return t.step(!t.begun), nil
	}
	if !t.open && binary.LittleEndian.Uint16(event[17:])&FlagIgnorable != 0 {
		return Effect{}, nil
	}
	return t.step(false), nil
}

// statement weighs a QUERY. The comparisons are mysqld's own: BEGIN and COMMIT
// are always written by the server, in capitals and alone; ROLLBACK may be in any
// case, and ROLLBACK TO a savepoint ends nothing.
func (t *Transactions) statement(s []byte) Effect {
	switch {
	case string(s) == "BEGIN" || bytes.HasPrefix(s, []byte("XA START")):
		effect := t.step(false)
		t.begun = true
		return effect
	case string(s) == "COMMIT", hasPrefixFold(s, "ROLLBACK") && !hasPrefixFold(s, "ROLLBACK TO"),
		hasPrefixFold(s, "XA ROLLBACK"):
		return t.step(true)
	}
	return t.step(!t.begun)
}

// step opens a transaction where none is open (servers before 5.7 write no
// anonymous GTIDs) and closes it if ends.
func (t *Transactions) step(ends bool) Effect {
	begins := !t.open
	if begins {
		t.current = GTIDEvent{}
		t.begun = false
	}
	t.open = !ends
	if ends {
		t.begun = false
	}
	return Effect{Begins: begins, Ends: ends}
}

func hasPrefixFold(s []byte, prefix string) bool {
	return len(s) >= len(prefix) && bytes.EqualFold(s[:len(prefix)], []byte(prefix))
}
