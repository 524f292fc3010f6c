package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// skipper leaves out the transactions that a GTID client already has (mysqld:
// Binlog_sender::skip_event). What was left out is reported by a heartbeat with
// the end of the last such group, so that the client's position moves.
type skipper struct {
	active bool  // the current transaction is left out
	upTo   int64 // end of what was left out and not reported yet; 0 = nothing
	tag    replication.Tag
	again  int64 // the index has no more to say before this offset

	// The stretch of untagged GTIDs around the last one sent that the client lacks: nothing
	// of it needs to be looked for.
	lacked      replication.UUID
	from, until int64
}

// lacks reports whether the transaction that a GTID event begins is known to be lacked.
func (s *skipper) lacks(event []byte) bool {
	const uuid, number = replication.HeaderSize + 1, replication.HeaderSize + 17
	if s.until == 0 || len(event) < number+8 || string(event[uuid:number]) != string(s.lacked[:]) {
		return false
	}
	n := int64(binary.LittleEndian.Uint64(event[number:]))
	return n >= s.from && n <= s.until
}

// nextFile forgets what was left out of the last file: the fake ROTATE of the next
// one moves the client's position.
func (s *skipper) nextFile() { s.active, s.upTo, s.again = false, 0, 0 }

// skips reports whether the event is left out, and sends the heartbeat that is
// due before the first event behind a skipped group.
func (d *dump) skips(h replication.Header, event []byte, offset int64) (bool, error) {
	s := &d.skip
	switch h.Type {
	case replication.GTIDEventType, replication.GTIDTaggedEvent:
		gtid, err := replication.ParseGTIDEvent(event, d.checksum, s.tag)
		if err != nil {
			return false, d.fatal("bogus data in log event")
		}
		s.tag = gtid.GTID.Tag
		until := d.request.set.LackedUntil(gtid.GTID)
		s.active = until == 0
		if h.Type == replication.GTIDEventType {
			s.lacked, s.from, s.until = gtid.GTID.UUID, gtid.GTID.Number, until
		}
		if s.active && s.upTo > 0 && d.request.heartbeat > 0 && time.Since(d.lastSent) >= d.request.heartbeat {
			d.flushSkip()
			if err := d.flush(); err != nil {
				return false, err
			}
		}
	case replication.AnonymousGTIDEvent:
		return false, d.fatal(fmt.Sprintf("Cannot replicate anonymous transaction when AUTO_POSITION = 1, at file ./%s, position %d.", d.file, offset))
	case replication.RotateEvent, replication.PreviousGTIDsEvent:
		d.flushSkip()
		return false, nil
	}
	if s.active {
		s.upTo = offset + int64(h.Size)
		return true, nil
	}
	d.flushSkip()
	return false, nil
}

// skipsRead is how many bytes are read after the index was asked before it is asked
// again: what it cannot tell within them is soon read.
const skipsRead = 4 << 20

// jump lets a reader that stands within or behind what the client has go on where
// the index first knows of something that it may lack. The client is told as if it
// had been read: by the heartbeat that is due then.
func (d *dump) jump(reader *archive.Reader) {
	s := &d.skip
	at := reader.Position()
	if s.upTo == 0 || at.File != d.file || at.Offset < s.again {
		return
	}
	s.again = at.Offset + skipsRead
	if reader.SkipContained(d.request.set) {
		to := reader.Position().Offset
		s.active, s.upTo, s.again, d.end = true, to, to+skipsRead, to
		d.place.read(d.file, to)
	}
}

// flushSkip frames the heartbeat that tells how far was skipped, if it is due.
func (d *dump) flushSkip() {
	if d.skip.upTo > 0 {
		d.heartbeat(d.skip.upTo)
		d.skip.upTo = 0
	}
}

// firstIsSkipped reports whether the first transaction of a file is one that the
// client has. What keeps it from being read, the dump itself will meet, unless it passes.
func (d *dump) firstIsSkipped(file archive.File) (bool, error) {
	reader, err := d.log.OpenAt(replication.Position{File: file.Name, Offset: replication.FirstEventOffset})
	if err != nil {
		return false, nil
	}
	defer reader.Close()
	for {
		c, err := reader.Next()
		if away := (*archive.RemoteError)(nil); errors.As(err, &away) {
			return false, err
		}
		if err != nil || c.File != file.Name {
			return false, nil // there is none, or none yet
		}
		if c.Part != archive.WholeEvents {
			continue // PREVIOUS_GTIDS of a very long history
		}
		if gtid, found := firstGTID(c.Data, file.Checksum); found {
			return d.request.set.Contains(gtid), nil
		}
	}
}

// firstGTID gives that of the first GTID event among whole events; zero, which no
// set contains, of an anonymous or malformed one.
func firstGTID(events []byte, checksum replication.Checksum) (replication.GTID, bool) {
	for len(events) > 0 {
		h, err := replication.ParseHeader(events)
		if err != nil {
			return replication.GTID{}, true
		}
		switch h.Type {
		case replication.GTIDEventType, replication.GTIDTaggedEvent, replication.AnonymousGTIDEvent:
			event, _ := replication.ParseGTIDEvent(events[:h.Size], checksum, "") // a malformed one is found when it is sent
			return event.GTID, true
		}
		events = events[h.Size:]
	}
	return replication.GTID{}, false
}
