package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// FuzzDump runs whatever dump command comes, non-blocking, against a log of three
// files. It ends with EOF, error 1236 or a closed connection; what it sent before are
// well-framed events that stand in the files, in their order, and by GTID none that
// begins a transaction that the client has.
func FuzzDump(f *testing.F) {
	l, w := newMadeUpLog(f, 100)
	uuid := uuidOf(f, sourceUUID)
	for number := int64(1); number <= 9; number++ {
		w.transaction(uuid, number, 50)
		if number%3 == 0 && number < 9 {
			w.rotate([]string{"binlog.000002", "binlog.000003"}[number/6])
		}
	}
	l.Flush()
	for changed := l.Changed(); l.State().Published != w.position(); changed = l.Changed() {
		<-changed
	}
	order := eventOrder(w.files)

	plain := wire.BinlogDump{Position: 4, File: "binlog.000002"}
	f.Add(plain.Append(nil), uint8(checksumCRC32))
	plain.Position = uint32(len(w.files["binlog.000002"]))
	f.Add(plain.Append(nil), uint8(checksumOther))
	auto := wire.BinlogDumpGTID{Position: 4, GTIDSet: mustSet(sourceUUID + ":2:5-6").AppendWire(nil)}
	f.Add(auto.Append(nil), uint8(checksumCRC32))
	auto.File, auto.Position = "./binlog.000001", 1<<40
	f.Add(auto.Append(nil), uint8(checksumUndeclared))

	f.Fuzz(func(t *testing.T, payload []byte, checksum uint8) {
		request, ok := fuzzedRequest(payload)
		if !ok {
			return
		}
		request.checksum = clientChecksum(checksum % 3)
		var sent bytes.Buffer
		d := &dump{log: l, request: request, conn: &sent, source: mysql97(), progress: &dumpProgress{}}
		if request.checksum == checksumCRC32 {
			d.checksum = replication.ChecksumCRC32
		}
		err := d.run(t.Context())
		var told *wire.Error
		if err != nil && !errors.Is(err, errTemporary) && (!errors.As(err, &told) || told.Number != wire.ERMasterFatalReadingLog) {
			t.Fatal(err)
		}
		packets := sentPackets(t, sent.Bytes())
		if ended := len(packets) > 0 && packets[len(packets)-1] == "EOF"; ended != (err == nil) {
			t.Fatalf("EOF %v, %v", ended, err)
		}
		last := 0
		for _, p := range packets {
			at := next(order[p], last)
			switch {
			case p == "ROTATE" || p == "FORMAT_DESCRIPTION" || p == "EOF" || strings.HasPrefix(p, "HEARTBEAT "):
				continue
			case at == 0:
				t.Fatalf("%q is no event of the log behind number %d, but of %v", p, last, order[p])
			case request.gtid && replication.EventType(p[4]) == replication.GTIDEventType:
				if g, err := replication.ParseGTIDEvent([]byte(p), replication.ChecksumCRC32, ""); err != nil || request.set.Contains(g.GTID) {
					t.Fatalf("%v was sent, %v", g.GTID, err)
				}
			}
			last = at
		}
	})
}

// next is the first of ascending numbers behind last, 0 for none.
func next(numbers []int, last int) int {
	for _, n := range numbers {
		if n > last {
			return n
		}
	}
	return 0
}

// eventOrder numbers the events of all files. Rows stand in several places.
func eventOrder(files map[string][]byte) map[string][]int {
	order, n := map[string][]int{}, 0
	for _, name := range []string{"binlog.000001", "binlog.000002", "binlog.000003"} {
		for b := files[name][4:]; len(b) > 0; {
			size := binary.LittleEndian.Uint32(b[9:])
			n++
			order[string(b[:size])] = append(order[string(b[:size])], n)
			b = b[size:]
		}
	}
	return order
}

// fuzzedRequest decodes either command as a session does.
func fuzzedRequest(payload []byte) (dumpRequest, bool) {
	r := dumpRequest{nonBlock: true}
	if d, err := wire.DecodeBinlogDump(payload); err == nil {
		r.file, r.pos, r.flags = fileName(d.File), uint64(d.Position), d.Flags
		return r, true
	}
	d, err := wire.DecodeBinlogDumpGTID(payload)
	if err != nil {
		return r, false
	}
	set, err := replication.DecodeGTIDSet(d.GTIDSet)
	if err != nil {
		return r, false
	}
	r.gtid, r.set, r.file, r.pos, r.flags = true, set, fileName(d.File), d.Position, d.Flags
	return r, true
}
