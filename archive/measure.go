package archive

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/binlogproxy/binlogproxy/replication"
)

// measure gives the account of a file's bytes before end, which is an event's end and
// was fsynced. What the index has of it is taken from there: only the file's head and what
// stands behind the last entry on a boundary are read. With an error it gives the account
// of what stands before the damage.
func (a *Archive) measure(ctx context.Context, h heldFile, end int64) (*openFile, error) {
	f := File{Seq: h.begin.Seq, Name: h.begin.Name}
	of := newOpenFile(f.Seq, f.Name, a.opts.IndexEvery)
	file, err := a.openFile(f)
	if err != nil {
		return of, err
	}
	defer file.Close()
	s := a.newScanner(of, file)
	if err = s.run(ctx.Err, min(end, headEnd(file))); err == nil {
		s.skipTo(a.entriesBefore(f, end))
		err = s.run(ctx.Err, end)
	}
	if err != nil {
		err = s.unreadable(a.filePath(f.Name), err)
	}
	return of, err
}

// headEnd is where the events end that describe a file: its FORMAT_DESCRIPTION, and
// PREVIOUS_GTIDS if that is next.
func headEnd(file io.ReaderAt) int64 {
	end := replication.FirstEventOffset
	for _, want := range []replication.EventType{replication.FormatDescriptionEvent, replication.PreviousGTIDsEvent} {
		var header [replication.HeaderSize]byte
		if n, _ := file.ReadAt(header[:], end); n < len(header) || replication.EventType(header[4]) != want {
			break
		}
		end += int64(binary.LittleEndian.Uint32(header[9:]))
	}
	return end
}

// entriesBefore gives the entries of a file's index up to the last one on a boundary at
// or before end; none where there is no index, or it cannot be read.
func (a *Archive) entriesBefore(f File, end int64) []indexEntry {
	entries, _, _, _ := decodeIndex(a.readIndex(f)) // those that read well: each has a checksum
	n := len(entries)
	for n > 0 && (!entries[n-1].boundary || entries[n-1].offset > end) {
		n--
	}
	return entries[:n]
}

// skipTo takes what entries say for what lies before the last of them, instead of
// reading it. Whether there are anonymous transactions is not said there: so there may be.
// The sums and the index that the scanner gathers are worth nothing then.
func (s *scanner) skipTo(entries []indexEntry) {
	at := &s.f.at
	if n := len(entries); n == 0 || entries[n-1].offset <= at.offset {
		return
	}
	for _, e := range entries {
		s.of.added.AddSet(e.gtids)
		if e.times.first != 0 {
			at.times.add(e.times.first)
			at.times.add(e.times.last)
		}
		at.offset = e.offset
	}
	at.boundary, at.block, at.blockTimes = at.offset, at.offset, timeSpan{}
	at.begun[replication.AnonymousTransactions] = at.offset
	s.of.end, s.chunks.offset = *at, at.offset
}

// showDamaged lets readers have what stands before the damage. Of a file without
// checksums nothing tells where that is: none of it is shown.
func (a *Archive) showDamaged(of *openFile) {
	if of.end.tracker.Checksum() != replication.ChecksumNone {
		a.publishFile(of)
	}
}
