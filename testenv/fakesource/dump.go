package fakesource

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// errEnd ends a dump as its script wants it.
var errEnd = errors.New("end of the script")

// Texts of mysqld 9.7 (sql/rpl_binlog_sender.cc), as ERR 1236.
const (
	TextNoSuchFile    = "Could not find first log file name in binary log index file"
	TextBeyondFile    = "Client requested source to start replication from position > file size"
	TextBogusEvent    = "bogus data in log event; the first event '' at 4, the last event read from '' at 4, the last byte read from '' at 4."
	TextDuplicateUUID = "A replica with the same server_uuid/server_id as this replica has connected to the source; the first event '' at 4, the last event read from '' at 4, the last byte read from '' at 4."
	TextAnonymous     = "Cannot replicate anonymous transaction when @@GLOBAL.GTID_MODE = ON, at file ./binlog.000001, position 127."
)

// dump is one stream: what an honest source sends next, and the ways to send it.
type dump struct {
	session *session
	request Request
	out     *bufio.Writer
	framer  wire.Framer
	gone    chan struct{} // closed when the replica has closed the connection
	buf     []byte

	checksum replication.Checksum // of artificial events
	file     string               // that is being sent
	offset   int64                // of the next event in it
	phase    phase
}

type phase int

const (
	sendRotate phase = iota
	sendFormat
	sendEvents
)

func newDump(s *session, r Request) *dump {
	d := &dump{session: s, request: r, file: r.File, offset: int64(r.Position), gone: make(chan struct{})}
	d.out = bufio.NewWriterSize(s.conn, 256<<10)
	if s.checksum == replication.ChecksumCRC32.String() {
		d.checksum = replication.ChecksumCRC32
	}
	d.framer.SetSequence(1)
	return d
}

// play goes through the script, then goes on honestly until the replica or the
// source closes.
func (d *dump) play(script *Script) error {
	go func() {
		defer close(d.gone)
		_, _ = io.Copy(io.Discard, d.session.conn)
	}()
	defer func() {
		d.session.conn.Close()
		<-d.gone
	}()
	steps := append(script.steps[:len(script.steps):len(script.steps)], (*dump).serve)
	for _, step := range steps {
		if err := step(d); err != nil {
			return err
		}
	}
	return nil
}

// serve sends all there is and all that comes, with heartbeats while nothing does.
func (d *dump) serve() error {
	for {
		files, changed := d.session.source.snapshot()
		event, err := d.next(files)
		if err != nil {
			return err
		}
		if event != nil {
			if err := d.send(event); err != nil {
				return err
			}
			continue
		}
		if err := d.idle(changed); err != nil {
			return err
		}
	}
}

// idle waits for more to send.
func (d *dump) idle(changed <-chan struct{}) error {
	if err := d.out.Flush(); err != nil {
		return err
	}
	var beat <-chan time.Time
	if ns, _ := strconv.ParseInt(d.session.period, 10, 64); ns > 0 {
		timer := time.NewTimer(time.Duration(ns))
		defer timer.Stop()
		beat = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-d.gone:
		return io.EOF
	case <-beat:
		return d.heartbeat(d.file, d.offset)
	}
}

func (d *dump) heartbeat(file string, offset int64) error {
	hb := replication.Heartbeat{File: file, Offset: offset}
	return d.send(replication.AppendHeartbeat(nil, d.session.source.options.ServerID, hb, d.checksum))
}

func (d *dump) rotate(file string, position uint64) error {
	return d.send(d.rotateEvent(file, position))
}

func (d *dump) rotateEvent(file string, position uint64) []byte {
	r := replication.Rotate{Name: file, Position: position}
	return replication.AppendFakeRotate(nil, d.session.source.options.ServerID, r, d.checksum)
}

// next returns what an honest source sends next, or nil while there is nothing.
func (d *dump) next(files []File) ([]byte, error) {
	index := -1
	for i := range files {
		if files[i].Name == d.file {
			index = i
		}
	}
	switch {
	case index < 0:
		return nil, d.fail(1236, TextNoSuchFile)
	case d.phase == sendRotate:
		if d.offset > files[index].Size() {
			return nil, d.fail(1236, TextBeyondFile)
		}
		d.phase = sendFormat
		return d.rotateEvent(d.file, uint64(d.offset)), nil
	case d.phase == sendFormat:
		return d.format(files[index])
	case d.offset < files[index].Size():
		return d.event(files[index])
	case index+1 < len(files):
		d.file, d.offset, d.phase = files[index+1].Name, replication.FirstEventOffset, sendFormat
		return d.rotateEvent(d.file, uint64(d.offset)), nil
	}
	return nil, nil
}

// format returns the file's FORMAT_DESCRIPTION as mysqld sends it.
func (d *dump) format(f File) ([]byte, error) {
	offsets := f.Offsets()
	event := append([]byte(nil), f.Bytes[offsets[0]:offsets[1]]...)
	described, err := replication.ParseFormatDescription(event)
	if err != nil {
		return nil, err
	}
	middle := d.offset > replication.FirstEventOffset
	edit := replication.FormatDescriptionEdit{ZeroLogPos: middle, ZeroCreated: middle}
	if err := replication.EditFormatDescription(event, edit); err != nil {
		return nil, err
	}
	d.checksum = described.Checksum
	d.phase = sendEvents
	if !middle {
		d.offset = offsets[1]
	}
	return event, nil
}

func (d *dump) event(f File) ([]byte, error) {
	rest := f.at(d.offset)
	h, err := replication.ParseHeader(rest)
	if err != nil || int(h.Size) > len(rest) {
		return nil, d.fail(1236, TextBogusEvent)
	}
	d.offset += int64(h.Size)
	return rest[:h.Size], nil
}

// send sends one event in as many packets as it takes.
func (d *dump) send(event []byte) error {
	d.buf = d.framer.Start(d.buf[:0], int64(1+len(event)))
	d.buf = d.framer.Append(d.buf, []byte{0})
	d.buf = d.framer.Append(d.buf, event)
	_, err := d.out.Write(d.buf)
	return err
}

// fail sends an error and ends the dump.
func (d *dump) fail(number uint16, text string) error {
	e := wire.Error{Number: number, State: "HY000", Message: text}
	return d.finish(e.Append(nil))
}

// finish sends a last payload.
func (d *dump) finish(payload []byte) error {
	d.buf = d.framer.Start(d.buf[:0], int64(len(payload)))
	d.buf = d.framer.Append(d.buf, payload)
	if _, err := d.out.Write(d.buf); err != nil {
		return err
	}
	return errors.Join(d.out.Flush(), errEnd)
}
