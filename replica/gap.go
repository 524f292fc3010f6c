package replica

import (
	"github.com/binlogproxy/binlogproxy/replication"
)

// gapRecord waits, at the beginning of the first file behind a gap, for the
// event that says which transactions were before it.
type gapRecord struct {
	reason   string
	format   []byte // the file's FORMAT_DESCRIPTION, which goes to the sink behind the gap
	previous []byte // a PREVIOUS_GTIDS that comes in parts; grows as they come
}

// hold keeps a copy of the file's first event.
func (g *gapRecord) hold(event []byte) { g.format = append([]byte(nil), event...) }

// recordGap records the gap, with the file's PREVIOUS_GTIDS if event is that,
// and begins the file.
func (r *receiver) recordGap(h replication.Header, event []byte) error {
	previous := new(replication.GTIDSet)
	if h.Type == replication.PreviousGTIDsEvent {
		var err error
		if previous, err = replication.ParsePreviousGTIDs(event, r.checksum); err != nil {
			return r.misfit("%w", err)
		}
	}
	gap := r.gap
	r.gap = nil
	if err := r.sink.Gap(gap.reason, r.position.File, previous); err != nil {
		return &sinkError{err}
	}
	r.count.gap()
	format, err := replication.ParseHeader(gap.format)
	if err != nil {
		return r.misfit("%w", err)
	}
	r.phase = inFile
	return r.beginFile(format, gap.format)
}

// collectPrevious takes a PREVIOUS_GTIDS that does not fit the buffer: the sets
// of servers with many thousand intervals.
func (r *receiver) collectPrevious(h replication.Header, first []byte) error {
	g := r.gap
	g.previous = append(g.previous[:0], first...)
	for r.event.done = int64(len(first)); len(g.previous) < int(h.Size); {
		part, err := r.nextPart(h)
		if err != nil {
			return err
		}
		g.previous = append(g.previous, part...)
		r.event.done += int64(len(part))
	}
	return r.previousCollected(h, g.previous)
}

func (r *receiver) previousCollected(h replication.Header, event []byte) error {
	if r.checksum == replication.ChecksumCRC32 {
		if err := replication.VerifyChecksum(event); err != nil {
			return r.misfit("%w", err)
		}
	}
	if err := r.recordGap(h, event); err != nil {
		return err
	}
	return r.keep(h, event)
}
