package server

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// eventCare says what must be known of an event before it goes out.
type eventCare uint8

const (
	noCare   eventCare = iota // it goes out as it stands
	gtidIs                    // it begins a transaction that the client may have
	lookedAt                  // event decides
)

// Care for each event type, by file and position and by GTID.
var (
	careByFile = eventCares(map[replication.EventType]eventCare{
		replication.FormatDescriptionEvent: lookedAt, replication.RotateEvent: lookedAt,
	})
	careByGTID = eventCares(map[replication.EventType]eventCare{
		replication.FormatDescriptionEvent: lookedAt, replication.RotateEvent: lookedAt,
		replication.PreviousGTIDsEvent: lookedAt, replication.AnonymousGTIDEvent: lookedAt,
		replication.GTIDTaggedEvent: lookedAt, replication.GTIDEventType: gtidIs,
	})
)

func eventCares(of map[replication.EventType]eventCare) *[256]eventCare {
	var cares [256]eventCare
	for t, care := range of {
		cares[t] = care
	}
	return &cares
}

// plain frames the events at the start of a run of whole events that go out as
// they stand, and says how many bytes of the run these are. Most events of a dump
// come this way, which is all that is done for them.
func (d *dump) plain(events []byte) int {
	if d.skip.active || d.skip.upTo > 0 {
		return 0
	}
	cares := careByFile
	if d.request.gtid {
		cares = careByGTID
	}
	d.room(framedAtMost(len(events)))
	at, n, out, seq := 0, len(d.out), d.out[:cap(d.out)], d.frame.Sequence()
	for len(events)-at >= replication.HeaderSize {
		size := int(binary.LittleEndian.Uint32(events[at+9:]))
		if size < replication.HeaderSize || size > len(events)-at || size+len(eventPrefix) >= wire.MaxPart {
			break
		}
		event := events[at : at+size]
		if care := cares[event[4]]; care == lookedAt || care == gtidIs && !d.skip.lacks(event) {
			break
		}
		binary.LittleEndian.PutUint32(out[n:], uint32(size+len(eventPrefix))|uint32(seq)<<24)
		out[n+wire.HeaderLen] = eventPrefix[0]
		n += wire.HeaderLen + len(eventPrefix)
		n += copy(out[n:], event)
		at += size
		seq++
	}
	d.out = d.out[:n]
	d.frame.SetSequence(seq)
	return at
}

// framedAtMost is how many bytes a run of n bytes of whole events can take in packets.
func framedAtMost(n int) int {
	return n + (n/replication.HeaderSize+1)*(wire.HeaderLen+len(eventPrefix))
}

// Buffers for framing are held only from the first event framed to the end of the
// write: a client that waits at the tail holds none, one that does not read one.
// The small ones are for what arrives at the tail, the large for a chunk of a file. A
// few dumps at a time may gather several chunks, because each write may have to wake
// the client; but one that does not read must not hold that much.
const (
	smallOut  = 64 << 10
	largeOut  = 256 << 10
	gatherOut = 512 << 10
	enough    = 288 << 10 // another block of the index and its headers have room behind it
	slowWrite = 100 * time.Millisecond
)

// gatherers has a place for each dump that may gather.
var gatherers = make(chan struct{}, 16)

var (
	smallOuts  = sync.Pool{New: func() any { return new([smallOut]byte) }}
	largeOuts  = sync.Pool{New: func() any { return new([largeOut]byte) }}
	gatherOuts = sync.Pool{New: func() any { return new([gatherOut]byte) }}
)

// gathers reports whether what was framed should wait for the next chunk, which is
// there at once.
func (d *dump) gathers() bool {
	if len(d.out) <= smallOut || len(d.out) >= enough {
		return false
	}
	if !d.gathering && !d.slow {
		select {
		case gatherers <- struct{}{}:
			d.gathering = true
		default:
		}
	}
	return d.gathering
}

// stopGathering leaves its place to another dump.
func (d *dump) stopGathering() {
	if d.gathering {
		d.gathering = false
		<-gatherers
	}
}

// room sees to it that n more bytes can be framed.
func (d *dump) room(n int) {
	need := len(d.out) + n
	if need <= cap(d.out) {
		return
	}
	var grown []byte
	switch {
	case need <= smallOut:
		grown = smallOuts.Get().(*[smallOut]byte)[:0]
	case need <= largeOut && !d.gathering:
		grown = largeOuts.Get().(*[largeOut]byte)[:0]
	case need <= gatherOut && d.gathering:
		grown = gatherOuts.Get().(*[gatherOut]byte)[:0]
	default:
		grown = make([]byte, 0, need)
	}
	grown = append(grown, d.out...)
	d.giveBack()
	d.out = grown
}

// giveBack empties d.out and lets others have its memory.
func (d *dump) giveBack() {
	switch cap(d.out) {
	case smallOut:
		smallOuts.Put((*[smallOut]byte)(d.out[:smallOut]))
	case largeOut:
		largeOuts.Put((*[largeOut]byte)(d.out[:largeOut]))
	case gatherOut:
		gatherOuts.Put((*[gatherOut]byte)(d.out[:gatherOut]))
	}
	d.out = nil
}
