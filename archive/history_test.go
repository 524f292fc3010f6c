package archive_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// binlogFile is one file of a made-up source.
type binlogFile struct {
	name   string
	bytes  []byte
	starts []int // of the events
}

// history builds binlog files as a MySQL 8 server writes them.
type history struct {
	files    []*binlogFile
	checksum replication.Checksum
	uuid     replication.UUID
	gno      int64
	executed *replication.GTIDSet
	rnd      *rand.Rand
	clock    int64           // microseconds
	lost     map[string]bool // files that the source purged before they were received
	starts   []*replication.GTIDSet
	made     []archive.Transaction // all, in order
}

// previous gives the set of GTIDs before files[i].
func (h *history) previous(i int) *replication.GTIDSet { return h.starts[i] }

var sourceUUID = replication.UUID{0xca, 0xfe, 1, 2, 3, 4, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}

func newHistory(seed uint64, checksum replication.Checksum) *history {
	return &history{
		checksum: checksum, uuid: sourceUUID, executed: &replication.GTIDSet{},
		rnd: rand.New(rand.NewPCG(seed, 1)), clock: 1_700_000_000_000_000,
	}
}

func (h *history) file() *binlogFile { return h.files[len(h.files)-1] }

func (h *history) event(t replication.EventType, body []byte) {
	f := h.file()
	f.starts = append(f.starts, len(f.bytes))
	size := replication.HeaderSize + len(body)
	sum := h.checksum == replication.ChecksumCRC32 || t == replication.FormatDescriptionEvent
	if sum {
		size += 4
	}
	ev := replication.Header{
		Timestamp: uint32(h.clock / 1e6), Type: t, ServerID: 7, Size: uint32(size), LogPos: uint32(len(f.bytes) + size),
	}.Append(nil)
	ev = append(ev, body...)
	if sum {
		ev = binary.LittleEndian.AppendUint32(ev, crc32.ChecksumIEEE(ev))
	}
	f.bytes = append(f.bytes, ev...)
}

func (h *history) begin() {
	name := fmt.Sprintf("binlog.%06d", len(h.files)+1)
	h.starts = append(h.starts, h.executed.Clone())
	h.files = append(h.files, &binlogFile{name: name, bytes: append([]byte(nil), replication.FileMagic[:]...)})
	fd := binary.LittleEndian.AppendUint16(nil, 4)
	version := make([]byte, 50)
	copy(version, "8.4.0-test")
	fd = append(fd, version...)
	fd = append(fd, 0, 0, 0, 0, replication.HeaderSize)
	fd = append(fd, make([]byte, 41)...)
	h.event(replication.FormatDescriptionEvent, append(fd, byte(h.checksum)))
	h.event(replication.PreviousGTIDsEvent, h.executed.AppendWire(nil))
}

func (h *history) rotate() {
	name := fmt.Sprintf("binlog.%06d", len(h.files)+1)
	h.event(replication.RotateEvent, append(binary.LittleEndian.AppendUint64(nil, 4), name...))
	h.begin()
}

func (h *history) gtid() {
	h.gno++
	h.clock += 1000 + h.rnd.Int64N(1000)
	gtid := replication.GTID{UUID: h.uuid, Number: h.gno}
	h.made = append(h.made, archive.Transaction{GTID: gtid, Time: time.UnixMicro(h.clock),
		Position: replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))}})
	b := append([]byte{0}, h.uuid[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.gno))
	b = append(b, 2)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.gno))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.gno+1))
	var t [8]byte
	binary.LittleEndian.PutUint64(t[:], uint64(h.clock))
	b = append(b, t[:7]...)
	h.event(replication.GTIDEventType, append(b, 100))
	if err := h.executed.Add(gtid); err != nil {
		panic(err)
	}
}

func (h *history) query(statement string) {
	b := make([]byte, 13)
	b[8] = 2
	b = append(b, "db\x00"...)
	h.event(replication.QueryEvent, append(b, statement...))
}

func (h *history) filler(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(h.rnd.Uint32())
	}
	return b
}

// transaction adds one of about size bytes, in events of at most eventSize.
func (h *history) transaction(size, eventSize int) {
	h.gtid()
	h.query("BEGIN")
	for size > 0 {
		n := min(size, eventSize)
		h.event(30, h.filler(n))
		size -= n
	}
	h.event(replication.XIDEvent, h.filler(8))
	h.made[len(h.made)-1].End = int64(len(h.file().bytes))
}

// ddl adds a statement that is a transaction by itself.
func (h *history) ddl() {
	h.gtid()
	h.query("CREATE TABLE t (i INT)")
	h.made[len(h.made)-1].End = int64(len(h.file().bytes))
}

// smallHistory has several files, transactions of many sizes, and events larger
// than a commit buffer and a reader's buffer.
func smallHistory(seed uint64, checksum replication.Checksum, files, transactions int) *history {
	h := newHistory(seed, checksum)
	h.begin()
	for i := range files {
		if i > 0 {
			h.rotate()
		}
		for range transactions {
			switch h.rnd.IntN(8) {
			case 0:
				h.ddl()
			case 1:
				h.transaction(h.rnd.IntN(6000), 1500)
			default:
				h.transaction(h.rnd.IntN(400), 100)
			}
		}
	}
	return h
}
