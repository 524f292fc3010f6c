// Package composed writes binlog files of any length out of valid events. Their
// large events are holes of the file system, so that a file of many GiB takes
// kilobytes on disk and seconds to make.
package composed

import (
	"encoding/binary"
	"hash/crc32"
	"os"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

// File is a binlog file that is being written. The first error stays.
type File struct {
	f         *os.File
	end       int64 // behind the last event
	committed int64 // sequence_number of the last transaction
	err       error
}

// Create begins a file with FORMAT_DESCRIPTION and PREVIOUS_GTIDS, as MySQL 9.7
// writes them with CRC32.
func Create(path string, previous *replication.GTIDSet) *File {
	f, err := os.Create(path)
	w := &File{f: f, err: err}
	recorded := fakesource.Recorded()[0]
	head := recorded.AsSent()[:recorded.Offsets()[1]]
	w.write(head, 0)
	w.end = int64(len(head))
	w.event(replication.PreviousGTIDsEvent, replication.FlagIgnorable, previous.AppendWire(nil), 0)
	return w
}

// End is where the next event will begin.
func (w *File) End() int64 { return w.end }

// Transaction appends one with a GTID, rows events of the given sizes, whose
// content is zeros, and XID.
func (w *File) Transaction(gtid replication.GTID, sizes ...int64) {
	const writeRows, marked = 30, 2
	w.committed++
	body := append([]byte{0}, gtid.UUID[:]...)
	body = binary.LittleEndian.AppendUint64(body, uint64(gtid.Number))
	body = binary.LittleEndian.AppendUint64(append(body, marked), uint64(w.committed-1))
	w.event(replication.GTIDEventType, 0, binary.LittleEndian.AppendUint64(body, uint64(w.committed)), 0)
	w.event(replication.QueryEvent, 0, append(make([]byte, 13), "\x00BEGIN"...), 0)
	for _, size := range sizes {
		w.event(writeRows, 0, nil, size-replication.HeaderSize-checksumSize)
	}
	w.event(replication.XIDEvent, 0, binary.LittleEndian.AppendUint64(nil, uint64(gtid.Number)), 0)
}

// Rotate ends the file and names the next one.
func (w *File) Rotate(next string) {
	w.event(replication.RotateEvent, 0, append(binary.LittleEndian.AppendUint64(nil, uint64(replication.FirstEventOffset)), next...), 0)
}

// Close returns the first error of all.
func (w *File) Close() error {
	if w.f == nil {
		return w.err
	}
	if err := w.f.Close(); w.err == nil {
		w.err = err
	}
	return w.err
}

const checksumSize = 4

// event appends one whose body is followed by zeros.
func (w *File) event(kind replication.EventType, flags uint16, body []byte, zeros int64) {
	size := replication.HeaderSize + int64(len(body)) + zeros + checksumSize
	h := replication.Header{Timestamp: 1_700_000_000, Type: kind, ServerID: fakesource.RecordedServerID, Size: uint32(size),
		LogPos: uint32(w.end + size), Flags: flags}
	event := append(h.Append(nil), body...)
	sum := crc32.ChecksumIEEE(event)
	for rest := zeros; rest > 0; {
		n := min(rest, int64(len(hole)))
		sum = crc32.Update(sum, crc32.IEEETable, hole[:n])
		rest -= n
	}
	w.write(event, w.end)
	w.end += size
	w.write(binary.LittleEndian.AppendUint32(nil, sum), w.end-checksumSize)
}

var hole = make([]byte, 1<<20)

func (w *File) write(p []byte, at int64) {
	if w.err == nil {
		_, w.err = w.f.WriteAt(p, at)
	}
}
