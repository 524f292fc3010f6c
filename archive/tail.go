package archive

import (
	"encoding/binary"
	"slices"

	"github.com/binlogproxy/binlogproxy/replication"
)

// tail keeps in memory what was committed last, so that all readers of the live
// tail share it: they get slices of it, and neither read nor verify the file again.
//
// The committer alone fills it, and only while there are readers that have reached
// the tail. Readers find it in the view: runs of bytes that never change. A run
// grows in place behind what any view shows of it; a full one is never used again,
// and goes when no view and no chunk refers to it any more.
type tail struct {
	runs  []run // never changed, replaced as a whole
	seq   uint64
	end   int64 // behind the last batch
	event int64 // where the event begins that end lies within; end if it lies behind one
}

// run is a stretch of a file that begins with an event.
type run struct {
	seq    uint64
	offset int64
	bytes  []byte
}

func (r run) end() int64 { return r.offset + int64(len(r.bytes)) }

const (
	runSize  = 256 << 10 // of a run of small batches; a larger batch has a run of its own
	tailSize = 4 << 20   // all but the newest run together
)

// add gives the runs that hold the batch too, or none where it cannot be kept: for
// want of readers (followed says that there are some), or because where an event begins in it is not known.
func (t *tail) add(seq uint64, b *batch, followed bool) []run {
	event, known := t.event, seq == t.seq && b.base == t.end
	if b.base == replication.FirstEventOffset {
		event, known = b.base, true
	}
	t.seq, t.end, t.event = seq, b.next(), b.end.offset
	if known = known && followed; known {
		t.keep(seq, event, b)
	} else {
		t.runs = nil
	}
	return t.runs
}

// keep puts a batch behind the last run, if it has room and goes on there; else
// into a new one. event is where the event at its start begins.
func (t *tail) keep(seq uint64, event int64, b *batch) {
	var torn []byte // what the runs hold of that event
	if n := len(t.runs); n > 0 {
		last := t.runs[n-1]
		if goesOn := last.seq == seq && last.end() == b.base; goesOn && cap(last.bytes)-len(last.bytes) >= len(b.data) {
			last.bytes = append(last.bytes, b.data...)
			t.runs = append(slices.Clone(t.runs[:n-1]), last)
			return
		} else if goesOn && event >= last.offset {
			torn = last.bytes[event-last.offset:]
		}
	}
	if event+int64(len(torn)) != b.base || len(torn) > tailSize {
		t.runs = nil
		return
	}
	fresh := run{seq: seq, offset: event, bytes: make([]byte, 0, max(runSize, len(torn)+len(b.data)))}
	fresh.bytes = append(append(fresh.bytes, torn...), b.data...)
	t.runs = append(slices.Clone(t.runs), fresh)
	t.drop()
}

// drop lets go of the oldest runs.
func (t *tail) drop() {
	size := 0
	for i := len(t.runs) - 2; i >= 0; i-- {
		if size += cap(t.runs[i].bytes); size > tailSize {
			t.runs = slices.Clone(t.runs[i+1:])
			return
		}
	}
}

// tailChunk bounds what a reader is given of the tail at once: a client that does
// not read holds no more of it than that.
const tailChunk = 48 << 10

// fromTail gives the next whole events before limit from the shared memory; none
// where they are not there, the next event is larger than a chunk, or nothing has
// shown yet that one begins where the reader stands.
func (r *Reader) fromTail(v *view, limit int64) []byte {
	if !r.proof.sound() {
		return nil
	}
	at := r.chunks.offset
	for _, run := range slices.Backward(v.tail) {
		if run.seq != r.file.Seq || run.offset > at {
			continue
		}
		if at >= run.end() {
			return nil
		}
		return wholeEvents(run.bytes[at-run.offset : min(limit, run.end(), at+tailChunk)-run.offset])
	}
	return nil
}

// wholeEvents cuts off the event that b does not hold to its end.
func wholeEvents(b []byte) []byte {
	n := 0
	for len(b)-n >= replication.HeaderSize {
		size := int(binary.LittleEndian.Uint32(b[n+9:]))
		if size > len(b)-n || size < replication.HeaderSize {
			break
		}
		n += size
	}
	return b[:n:n]
}

// fellBehind is how many chunks a reader may read from the file before it no
// longer counts as one of the tail.
const fellBehind = 64

// follows keeps account of whether the reader is one of the tail, which it becomes
// by reaching its end.
func (r *Reader) follows(reached bool) {
	switch {
	case reached && r.behind == 0:
		r.archive.followers.Add(1)
		r.behind = fellBehind
	case reached:
		r.behind = fellBehind
	case r.behind == 1:
		r.leaveTail()
	case r.behind > 1:
		r.behind--
	}
}

func (r *Reader) leaveTail() {
	if r.behind > 0 {
		r.archive.followers.Add(-1)
		r.behind = 0
	}
}
