package replica

import (
	"encoding/binary"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// runBytes bounds a run, so that it is still in the processor's fastest cache when the
// sink reads it.
const runBytes = 32 << 10

// largeEvent is how large a payload must be for its event to begin a run of its own:
// moving it to those before would cost more than handing them over.
const largeEvent = 4 << 10

// eventRun is a number of whole events behind each other.
type eventRun struct {
	events   uint64
	bytes    []byte
	lastTime uint32 // of the last of them that has a time
}

// step takes what comes next: the usual events that lie in the buffer, in runs, and
// then one payload of whatever kind, for which it may have to read.
func (r *receiver) step() error {
	for r.phase == inFile && r.gap == nil && r.ready == nil {
		run := r.gather()
		if run.events == 0 {
			break
		}
		if err := r.sink.AppendRun(run.bytes); err != nil {
			return &sinkError{err}
		}
		r.position.Offset += int64(len(run.bytes))
		r.count.run(run)
	}
	return r.payload()
}

// gather takes usual events from the buffer and moves them together in place. It ends
// before a large one, for which it is called again, and before whatever is no usual
// one, broken or only not there yet: payload sees to that.
func (r *receiver) gather() eventRun {
	p := &r.packets
	start := p.r + wire.HeaderLen + 1
	end := start
	var run eventRun
	for end-start < runBytes {
		payload := p.peek()
		if run.events > 0 && len(payload) >= largeEvent {
			break
		}
		event := r.usual(payload)
		if event == nil {
			break
		}
		if from := p.r + wire.HeaderLen + 1; from != end {
			copy(p.buf[end:], event)
		}
		end += len(event)
		p.skip(1 + len(event))
		run.events++
		if t := binary.LittleEndian.Uint32(p.buf[end-len(event):]); t != 0 {
			run.lastTime = t
		}
	}
	if run.events > 0 {
		run.bytes = p.buf[start:end]
	}
	return run
}

// usual returns the event of a payload if nothing has to be done for it but to verify
// and to keep it.
func (r *receiver) usual(payload []byte) []byte {
	if len(payload) < 1+replication.HeaderSize || payload[0] != payloadEvent {
		return nil
	}
	event := payload[1:]
	switch replication.EventType(event[4]) {
	case replication.FormatDescriptionEvent, replication.RotateEvent, replication.HeartbeatEvent, replication.HeartbeatV2Event:
		return nil
	}
	if replication.ClaimedSize(event) != int64(len(event)) || binary.LittleEndian.Uint16(event[17:])&replication.FlagArtificial != 0 {
		return nil
	}
	if r.checksum == replication.ChecksumCRC32 && replication.VerifyChecksum(event) != nil {
		return nil
	}
	return event
}
