package server

import (
	"context"
	"errors"
	"io"
	"path"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// dump sends one downstream its stream: fake ROTATE, FORMAT_DESCRIPTION and the
// events of file after file as they stand in the log, then heartbeats at the live
// tail. It is used by one goroutine; only progress is read by others.
type dump struct {
	log      Log
	request  dumpRequest
	conn     io.Writer // bounds how long a write may take
	source   Identity
	progress *dumpProgress

	frame     wire.Framer
	out       []byte               // framed and not written yet
	gathering bool                 // it has one of the places for gatherers
	slow      bool                 // the client took its time with the last write
	made      []byte               // the last event that was made or changed here
	checksum  replication.Checksum // of the events made here: the client's wish, then that of the last FORMAT_DESCRIPTION
	file      string               // named by the last ROTATE
	end       int64                // behind the last event sent or skipped
	lastSent  time.Time
	timer     *time.Timer // for the next heartbeat; nil until one is waited for
	rotated   bool        // a ROTATE, real or fake, was sent and the FORMAT_DESCRIPTION behind it was not
	resumes   bool        // the client has the first transaction of the file that was found by its GTIDs
	skip      skipper
	place     dumpPlace // for the texts of errors
}

// dumpProgress is what others may read of a running dump.
type dumpProgress struct {
	position atomic.Pointer[replication.Position] // behind the last event sent or skipped
	bytes    atomic.Int64                         // written to the client
}

// dump runs a dump on the session's connection. It returns a *wire.Error for the
// client, nil at the end of a non-blocking dump, and everything else as the
// reason for which the connection is to be closed.
func (s *session) dump(ctx context.Context, r dumpRequest) error {
	source, _ := s.server.opts.Upstream.Identity() // known since the greeting
	d := &dump{log: s.server.opts.Log, request: r, conn: s.conn.NetConn(), source: source, progress: s.progress, lastSent: time.Now()}
	if r.checksum == checksumCRC32 {
		d.checksum = replication.ChecksumCRC32
	}
	d.frame.SetSequence(s.conn.Sequence())
	err := d.run(ctx)
	if d.timer != nil {
		d.timer.Stop()
	}
	s.conn.SetSequence(d.frame.Sequence())
	if cause := context.Cause(ctx); cause != nil && err != nil {
		if errors.Is(cause, errReplaced) && d.frame.Rest() == 0 {
			return errors.Join(d.replacedError(), cause)
		}
		return cause
	}
	return err
}

// run streams until ctx ends, the client is gone, or, for a non-blocking dump,
// the end of the log.
func (d *dump) run(ctx context.Context) error {
	start, err := d.locate(ctx)
	if err != nil {
		return err
	}
	reader, err := d.log.OpenAt(start)
	if err != nil {
		return d.openError(err)
	}
	defer reader.Close()
	defer d.stopGathering()
	if d.request.gtid {
		reader.CrossGaps(d.request.set)
	}
	if err := d.open(start); err != nil {
		return errors.Join(d.flush(), err) // mysqld too has sent the fake ROTATE by then
	}
	for {
		changed := d.log.Changed()
		chunk, err := reader.Next()
		switch {
		case err == nil:
			before := len(d.out)
			err := d.chunk(chunk)
			reader.Release()
			d.jump(reader)
			if err != nil {
				return errors.Join(d.flush(), err)
			}
			if d.gathers() && len(d.out) > before && ctx.Err() == nil {
				continue
			}
			if err := d.flush(); err != nil {
				return err
			}
			if ctx.Err() != nil && d.frame.Rest() == 0 { // never within an event
				return ctx.Err()
			}
		case errors.Is(err, archive.ErrTail):
			if err := d.flush(); err != nil {
				return err
			}
			d.stopGathering()
			if d.waitsInVain(err) {
				return d.readError(err)
			}
			if done, err := d.tail(ctx, changed); done || err != nil {
				return err
			}
		default:
			return errors.Join(d.flush(), d.readError(err))
		}
	}
}

// waitsInVain reports whether damage lies where the dump would wait. One that does
// not wait has got all there is, unless its own file is the damaged one.
func (d *dump) waitsInVain(tail error) bool {
	var damage *archive.DamageError
	return errors.As(tail, &damage) && (!d.request.nonBlock || path.Base(damage.File) == d.file)
}

// open sends what comes before the event at start: the fake ROTATE and, when
// start lies behind it, the file's FORMAT_DESCRIPTION.
func (d *dump) open(start replication.Position) error {
	d.place.read(start.File, start.Offset)
	d.place.first = replication.Position{File: d.request.file, Offset: start.Offset}
	d.rotate(start)
	if start.Offset == replication.FirstEventOffset {
		return nil
	}
	head, err := d.log.OpenAt(replication.Position{File: start.File, Offset: replication.FirstEventOffset})
	if err != nil {
		return d.openError(err)
	}
	defer head.Close()
	chunk, err := head.Next()
	if err != nil {
		return d.readError(err)
	}
	h, err := replication.ParseHeader(chunk.Data)
	if err != nil || int64(h.Size) > int64(len(chunk.Data)) {
		return d.fatal("bogus data in log event")
	}
	d.place.read(start.File, replication.FirstEventOffset+int64(h.Size))
	if next, err := replication.ParseHeader(chunk.Data[h.Size:]); err == nil && d.request.gtid {
		d.place.read(start.File, d.place.last.Offset+int64(next.Size)) // mysqld reads on to PREVIOUS_GTIDS
	}
	return d.formatDescription(chunk.Data[:h.Size], start.Offset)
}

// rotate sends the fake ROTATE that comes before each file.
func (d *dump) rotate(to replication.Position) {
	d.file, d.end, d.rotated = to.File, to.Offset, true
	d.made = replication.AppendFakeRotate(d.made[:0], d.source.ServerID, replication.Rotate{Position: uint64(to.Offset), Name: to.File}, d.checksum)
	d.send(d.made)
}

// formatDescription sends a file's FORMAT_DESCRIPTION before the event at start. A
// client that did not declare that it reads checksums is refused where the file has
// them.
func (d *dump) formatDescription(event []byte, start int64) error {
	format, err := replication.ParseFormatDescription(event)
	if err != nil {
		return d.fatal("bogus data in log event")
	}
	if format.Checksum != replication.ChecksumNone && d.request.checksum == checksumUndeclared {
		return d.fatal("Replica can not handle replication events with the checksum that source is configured to log")
	}
	d.made = append(d.made[:0], event...)
	if err := replication.EditFormatDescription(d.made, d.formatEdit(start)); err != nil {
		return d.fatal("bogus data in log event")
	}
	d.checksum = format.Checksum
	d.rotated = false
	d.send(d.made)
	return nil
}

// formatEdit decides how a FORMAT_DESCRIPTION is changed. A client that goes on
// within a file must neither move its position, which follows log_pos in file mode
// only, nor drop its temporary tables, as created asks for. By GTID one goes on if
// it has the first transaction of the file that was found for it; that holds for
// all files behind too (mysqld: m_gtid_clear_fd_created_flag).
func (d *dump) formatEdit(start int64) replication.FormatDescriptionEdit {
	if d.request.gtid {
		return replication.FormatDescriptionEdit{ZeroCreated: d.resumes}
	}
	within := start > replication.FirstEventOffset
	return replication.FormatDescriptionEdit{ZeroLogPos: within, ZeroCreated: within}
}

// chunk frames a chunk of the log.
func (d *dump) chunk(c archive.Chunk) error {
	if c.File != d.file {
		d.skip.nextFile()
		d.rotate(replication.Position{File: c.File, Offset: c.Offset})
	}
	if c.Part != archive.WholeEvents {
		return d.part(c)
	}
	offset := c.Offset
	for rest := c.Data; len(rest) > 0; {
		if n := d.plain(rest); n > 0 {
			offset += int64(n)
			rest = rest[n:]
			d.end, d.rotated = offset, false
			d.place.read(d.file, offset)
			continue
		}
		h, err := replication.ParseHeader(rest)
		if err != nil || int64(h.Size) > int64(len(rest)) {
			return d.fatal("bogus data in log event")
		}
		d.place.read(d.file, offset+int64(h.Size))
		if err := d.event(h, rest[:h.Size], offset); err != nil {
			return err
		}
		offset += int64(h.Size)
		rest = rest[h.Size:]
		d.end = offset
	}
	return nil
}

// event frames one event.
func (d *dump) event(h replication.Header, event []byte, offset int64) error {
	if h.Type == replication.FormatDescriptionEvent && offset == replication.FirstEventOffset {
		return d.formatDescription(event, offset)
	}
	if d.request.gtid {
		skipped, err := d.skips(h, event, offset)
		if err != nil || skipped {
			return err
		}
	}
	d.rotated = h.Type == replication.RotateEvent
	d.send(event)
	return nil
}

// part frames a part of an event larger than the reader's buffer. Only its first
// part can begin a skip, and no event that decides on one is ever so large.
func (d *dump) part(c archive.Chunk) error {
	if c.Part == archive.FirstPart {
		h, err := replication.ParseHeader(c.Data)
		if err != nil {
			return d.fatal("bogus data in log event")
		}
		d.place.read(d.file, c.Offset+int64(h.Size))
		if !d.skip.active {
			d.flushSkip()
			d.begin(int64(h.Size))
		}
	}
	if !d.skip.active {
		d.room(len(c.Data) + packetHeaders)
		d.out = d.frame.Append(d.out, c.Data)
	}
	if c.Part == archive.LastPart {
		d.end = c.Offset + int64(len(c.Data))
		if d.skip.active {
			d.skip.upTo = d.end
		}
	}
	return nil
}

// send frames one whole event.
func (d *dump) send(event []byte) {
	d.room(len(event) + packetHeaders)
	d.begin(int64(len(event)))
	d.out = d.frame.Append(d.out, event)
}

// packetHeaders is room for what comes before an event and at the packets within a chunk of it.
const packetHeaders = 64

// eventPrefix stands before each event in its packet.
var eventPrefix = []byte{0}

// begin frames the start of an event of the given size.
func (d *dump) begin(size int64) {
	d.out = d.frame.Start(d.out, size+1)
	d.out = d.frame.Append(d.out, eventPrefix)
}

// flush writes what was framed.
func (d *dump) flush() error {
	if len(d.out) == 0 {
		return nil
	}
	d.lastSent = time.Now()
	n, err := d.conn.Write(d.out)
	d.progress.bytes.Add(int64(n))
	d.giveBack()
	if d.slow = time.Since(d.lastSent) > slowWrite; d.slow {
		d.stopGathering()
	}
	d.progress.position.Store(&replication.Position{File: d.file, Offset: d.end})
	return err
}
