package server

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

const madeUpFile = "binlog.000001"

// madeUpLog is a log on disk with one file of at least size bytes, in transactions
// of ten events of about eventSize bytes. It counts the events.
func madeUpLog(t testing.TB, size int64, eventSize int) (*archive.Log, int) {
	t.Helper()
	l, w := newMadeUpLog(t, 0)
	w.forgetful = true
	uuid := uuidOf(t, sourceUUID)
	for number := int64(1); w.end < size; number++ {
		w.transaction(uuid, number, eventSize)
	}
	l.Flush()
	waitForEnd(l, w)
	return l, w.events
}

// waitForEnd returns when all that was written may be read.
func waitForEnd(l *archive.Log, w *eventWriter) {
	for changed := l.Changed(); l.State().Published != w.position(); changed = l.Changed() {
		<-changed
	}
}

// newMadeUpLog is a log on disk whose first file is begun. indexEvery 0 is the default.
func newMadeUpLog(t testing.TB, indexEvery int64) (*archive.Log, *eventWriter) {
	t.Helper()
	dir := t.TempDir()
	l, err := archive.Open(t.Context(), archive.Options{Dir: dir, IndexEvery: indexEvery})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Bind(archive.Identity{ServerUUID: uuidOf(t, sourceUUID), ServerID: 77}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Resume(replication.Reach{Farthest: math.MaxInt64}); err != nil {
		t.Fatal(err)
	}
	w := &eventWriter{t: t, log: l, dir: filepath.Join(dir, "0001-"+sourceUUID), files: map[string][]byte{}, executed: mustSet("")}
	w.file(madeUpFile)
	return l, w
}

func uuidOf(t testing.TB, text string) replication.UUID {
	t.Helper()
	uuid, err := replication.ParseUUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return uuid
}

// eventWriter appends events as MySQL 8 writes them.
type eventWriter struct {
	t         testing.TB
	log       *archive.Log
	dir       string // of the files
	name      string // of the file
	end       int64
	events    int
	buf       []byte
	executed  *replication.GTIDSet
	files     map[string][]byte // their bytes
	forgetful bool              // files is not wanted
}

func (w *eventWriter) position() replication.Position {
	return replication.Position{File: w.name, Offset: w.end}
}

func (w *eventWriter) event(kind replication.EventType, body ...byte) {
	size := replication.HeaderSize + len(body) + 4
	w.end += int64(size)
	h := replication.Header{Timestamp: 1_700_000_000, Type: kind, ServerID: 77, Size: uint32(size), LogPos: uint32(w.end)}
	w.buf = append(h.Append(w.buf[:0]), body...)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, crc32.ChecksumIEEE(w.buf))
	if !w.forgetful {
		w.files[w.name] = append(w.files[w.name], w.buf...)
	}
	for rest := w.buf; len(rest) > 0; {
		n := min(len(rest), 1<<20)
		if err := w.log.Append(rest[:n], n == len(rest)); err != nil {
			w.t.Fatal(err)
		}
		rest = rest[n:]
	}
	w.events++
}

// rotate goes on to the next file.
func (w *eventWriter) rotate(next string) {
	w.event(replication.RotateEvent, append(binary.LittleEndian.AppendUint64(nil, 4), next...)...)
	w.file(next)
}

func (w *eventWriter) file(name string) {
	if err := w.log.StartFile(name); err != nil {
		w.t.Fatal(err)
	}
	w.name, w.end = name, replication.FirstEventOffset
	w.files[name] = replication.FileMagic[:]
	format := binary.LittleEndian.AppendUint16(nil, 4)
	format = append(format, fmt.Sprintf("%-50s", "9.7.4\x00")...)
	format = append(format, 1, 2, 3, 4, replication.HeaderSize)
	format = append(format, make([]byte, 41)...)
	w.event(replication.FormatDescriptionEvent, append(format, byte(replication.ChecksumCRC32))...)
	w.event(replication.PreviousGTIDsEvent, w.executed.AppendWire(nil)...)
}

func (w *eventWriter) transaction(uuid replication.UUID, number int64, eventSize int) {
	if err := w.executed.Add(replication.GTID{UUID: uuid, Number: number}); err != nil {
		w.t.Fatal(err)
	}
	gtid := append([]byte{0}, uuid[:]...)
	gtid = binary.LittleEndian.AppendUint64(gtid, uint64(number))
	gtid = append(gtid, 2)
	gtid = binary.LittleEndian.AppendUint64(gtid, uint64(number-1))
	gtid = binary.LittleEndian.AppendUint64(gtid, uint64(number))
	w.event(replication.GTIDEventType, gtid...)
	query := make([]byte, 13)
	w.event(replication.QueryEvent, append(query, "\x00BEGIN"...)...)
	const writeRows = 30
	rows := make([]byte, max(eventSize-replication.HeaderSize-4, 0))
	for range 10 {
		w.event(writeRows, rows...)
	}
	w.event(replication.XIDEvent, binary.LittleEndian.AppendUint64(nil, uint64(number))...)
}
