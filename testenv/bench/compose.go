package bench

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Template is a server's own binlog file taken apart: what stands before its
// transactions, and the last one of these.
type Template struct {
	head        []byte   // magic number, FORMAT_DESCRIPTION, and PREVIOUS_GTIDS that is empty
	transaction [][]byte // events, the first a GTID event
	rotate      []byte   // names a file whose name is as long as all others
}

// NewTemplate reads a closed file that begins with the server's first transaction
// and has untagged GTIDs and checksums.
func NewTemplate(file []byte) (*Template, error) {
	t := &Template{}
	if len(file) < 4 {
		return nil, fmt.Errorf("a binlog file of %d bytes", len(file))
	}
	t.head = append(t.head, file[:4]...)
	for rest := file[4:]; len(rest) > 0; {
		h, err := replication.ParseHeader(rest)
		if err != nil || int(h.Size) > len(rest) {
			return nil, fmt.Errorf("%d bytes before the end of a binlog file: %v", len(rest), err)
		}
		event := rest[:h.Size]
		rest = rest[h.Size:]
		switch h.Type {
		case replication.FormatDescriptionEvent, replication.PreviousGTIDsEvent:
			t.head = append(t.head, event...)
		case replication.RotateEvent:
			t.rotate = event
		case replication.GTIDEventType:
			t.transaction = nil
			fallthrough
		default:
			t.transaction = append(t.transaction, event)
		}
	}
	if len(t.transaction) == 0 || t.rotate == nil {
		return nil, fmt.Errorf("a binlog file of %d bytes without a transaction or its ROTATE", len(file))
	}
	return t, nil
}

// Composed is a file made of a Template.
type Composed struct {
	Name         string
	Size         int64
	Events       int64
	Transactions int64
}

// Compose writes a file of at least size bytes that repeats the template's transaction,
// numbered from 1 on, and goes on with the file next.
func (t *Template) Compose(w io.Writer, size int64, next string) (Composed, error) {
	var c Composed
	buf := make([]byte, 0, 1<<20)
	flush := func() error {
		_, err := w.Write(buf)
		c.Size += int64(len(buf))
		buf = buf[:0]
		return err
	}
	add := func(event []byte, change func(copied []byte)) {
		start := len(buf)
		buf = append(buf, event...)
		copied := buf[start:]
		change(copied)
		binary.LittleEndian.PutUint32(copied[13:], uint32(c.Size+int64(len(buf)))) // the end position, low 32 bits
		binary.LittleEndian.PutUint32(copied[len(copied)-4:], crc32.ChecksumIEEE(copied[:len(copied)-4]))
		c.Events++
	}
	buf = append(buf, t.head...)
	for c.Size+int64(len(buf)) < size {
		c.Transactions++
		for i, event := range t.transaction {
			add(event, func(copied []byte) {
				if i == 0 {
					numberTransaction(copied, c.Transactions)
				}
			})
			if len(buf) >= 1<<20 {
				if err := flush(); err != nil {
					return c, err
				}
			}
		}
	}
	add(t.rotate, func(copied []byte) { copy(copied[replication.HeaderSize+8:], next) })
	return c, flush()
}

// numberTransaction gives a GTID event its number, and makes it depend on the one before
// (mysqld: Gtid_log_event; flags, 16 bytes of uuid, number, a type byte, last_committed,
// sequence_number).
func numberTransaction(event []byte, n int64) {
	body := event[replication.HeaderSize:]
	binary.LittleEndian.PutUint64(body[17:], uint64(n))
	binary.LittleEndian.PutUint64(body[26:], uint64(n-1))
	binary.LittleEndian.PutUint64(body[34:], uint64(n))
}
