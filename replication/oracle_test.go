package replication

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The files under testdata were written by a MySQL 9.7.4 server; the .events
// beside each is that server's own reading of it (SHOW BINLOG EVENTS).

type oracleEvent struct {
	start, end int64
	name, info string
}

func readOracle(t testing.TB, path string) []oracleEvent {
	t.Helper()
	text, err := os.ReadFile(path + ".events")
	if err != nil {
		t.Fatal(err)
	}
	var events []oracleEvent
	for line := range strings.Lines(string(text)) {
		column := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		start, err1 := strconv.ParseInt(column[1], 10, 64)
		end, err2 := strconv.ParseInt(column[4], 10, 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("%s: %q", path, line)
		}
		if start != end { // those within a payload have no place of their own
			events = append(events, oracleEvent{start, end, column[2], column[5]})
		}
	}
	return events
}

func oracleFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/mysql-9.7/binlog.00000?")
	if err != nil || len(files) != 3 {
		t.Fatalf("testdata: %v, %v", files, err)
	}
	return files
}

// serverNames maps SHOW BINLOG EVENTS' names to ours.
var serverNames = map[string]EventType{
	"Format_desc": FormatDescriptionEvent, "Previous_gtids": PreviousGTIDsEvent, "Gtid": GTIDEventType,
	"Gtid_tagged_log_event": GTIDTaggedEvent, "Anonymous_Gtid": AnonymousGTIDEvent, "Query": QueryEvent, "Xid": XIDEvent,
	"Rotate": RotateEvent, "Transaction_payload": TransactionPayloadEvent, "XA_prepare": XAPrepareEvent,
	"Table_map": 19, "Write_rows": 30, "User var": 14, "RAND": 13, "Rows_query": 29, "Stop": StopEvent,
}

func isGTID(t EventType) bool {
	return t == GTIDEventType || t == GTIDTaggedEvent || t == AnonymousGTIDEvent
}

// oneEvent takes the event at the start of rest and checks its frame against the oracle.
func oneEvent(t *testing.T, rest []byte, offset int64, want oracleEvent) (Header, []byte) {
	t.Helper()
	h, err := ParseHeader(rest)
	if err != nil {
		t.Fatalf("at %d: %v", offset, err)
	}
	if offset != want.start || offset+int64(h.Size) != want.end || h.Type != serverNames[want.name] || int64(h.LogPos) != want.end {
		t.Fatalf("at %d: %+v; the server says %+v", offset, h, want)
	}
	if !bytes.Equal(h.Append(nil), rest[:HeaderSize]) {
		t.Fatalf("at %d: the header is not what it was parsed from", offset)
	}
	return h, rest[:h.Size]
}

func TestEveryEventIsWhatTheServerSaysItIs(t *testing.T) {
	executed := &GTIDSet{}
	for _, path := range oracleFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		events := readOracle(t, path)
		var tracker Transactions
		offset := FirstEventOffset
		for i, want := range events {
			h, event := oneEvent(t, data[offset:], offset, want)
			if i > 0 && tracker.Checksum() == ChecksumCRC32 || i == 0 && event[len(event)-5] == 1 {
				if err := VerifyChecksum(event); err != nil {
					t.Fatalf("%s at %d: %v", path, offset, err)
				}
			}
			effect, err := tracker.Next(event)
			if err != nil {
				t.Fatalf("%s at %d: %v", path, offset, err)
			}
			last := i == len(events)-1
			next := StopEvent
			if !last {
				next = serverNames[events[i+1].name]
			}
			inside := h.Type != FormatDescriptionEvent && h.Type != PreviousGTIDsEvent && h.Type != RotateEvent
			wantEnd := inside && !isGTID(h.Type) && (isGTID(next) || next == RotateEvent || next == StopEvent)
			if effect.Begins != isGTID(h.Type) || effect.Ends != wantEnd || tracker.Open() != (inside && !wantEnd) {
				t.Fatalf("%s at %d, %s %q: %+v, open = %v; next is %s", path, offset, h.Type, want.info, effect, tracker.Open(), next)
			}
			checkContent(t, h, event, want, &tracker, executed)
			if effect.Ends && tracker.Current().GTID.Number > 0 {
				executed.Add(tracker.Current().GTID)
			}
			offset = want.end
		}
		if offset != int64(len(data)) {
			t.Fatalf("%s: %d bytes, events up to %d", path, len(data), offset)
		}
	}
}

func checkContent(t *testing.T, h Header, event []byte, want oracleEvent, tracker *Transactions, executed *GTIDSet) {
	t.Helper()
	checksum := tracker.Checksum()
	switch {
	case h.Type == FormatDescriptionEvent:
		format, err := ParseFormatDescription(event)
		if err != nil || "Server ver: "+format.ServerVersion+", Binlog ver: 4" != want.info || format.EventTypes != 42 {
			t.Fatalf("%+v, %v; the server says %q", format, err, want.info)
		}
	case h.Type == PreviousGTIDsEvent:
		set, err := ParsePreviousGTIDs(event, checksum)
		if err != nil || strings.ReplaceAll(set.String(), "\n", "") != strings.ReplaceAll(want.info, "\\n", "") || !set.Equal(executed) {
			t.Fatalf("%v, %v; the server says %q, the files before hold %q", set, err, want.info, executed)
		}
	case isGTID(h.Type):
		gtid, err := ParseGTIDEvent(event, checksum, "")
		if err != nil || "SET @@SESSION.GTID_NEXT= '"+gtid.GTID.String()+"'" != want.info {
			t.Fatalf("%+v, %v; the server says %q", gtid, err, want.info)
		}
		if seconds := gtid.ImmediateCommit / 1e6; seconds < int64(h.Timestamp) || seconds > int64(h.Timestamp)+60 {
			t.Fatalf("committed at %d µs, written at %d s", gtid.ImmediateCommit, h.Timestamp)
		}
		if gtid.Length < uint64(h.Size) || gtid.SequenceNumber < 1 || gtid.LastCommitted >= gtid.SequenceNumber {
			t.Fatalf("%+v", gtid)
		}
	case h.Type == RotateEvent:
		rotate, err := ParseRotate(event, checksum)
		if err != nil || rotate.Name+";pos="+strconv.FormatUint(rotate.Position, 10) != want.info {
			t.Fatalf("%+v, %v; the server says %q", rotate, err, want.info)
		}
	case h.Type == QueryEvent:
		statement, err := ParseQueryStatement(event, checksum, true)
		shown := strings.NewReplacer("\n", "\\n").Replace(string(statement))
		if strings.Contains(shown, "IDENTIFIED") {
			return // binary, and shown escaped
		}
		if err != nil || !strings.Contains(want.info, shown) {
			t.Fatalf("%q, %v; the server says %q", statement, err, want.info)
		}
	case h.Type == TransactionPayloadEvent:
		p, err := ParseTransactionPayload(event, checksum)
		if err != nil || p.Compression != CompressionZstd || want.info != "compression='ZSTD', decompressed_size="+strconv.FormatUint(p.UncompressedSize, 10)+" bytes" {
			t.Fatalf("%+v, %v; the server says %q", p, err, want.info)
		}
	}
}

func TestTransactionLengthsReachTheNextTransaction(t *testing.T) {
	for _, path := range oracleFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		events := readOracle(t, path)
		checksum := Checksum(data[events[0].end-5])
		for i, e := range events {
			if !isGTID(serverNames[e.name]) {
				continue
			}
			gtid, err := ParseGTIDEvent(data[e.start:e.end], checksum, "")
			if err != nil {
				t.Fatal(err)
			}
			end := e.start + int64(gtid.Length)
			j := i + 1
			for j < len(events) && events[j].start < end {
				j++
			}
			if j < len(events) && (events[j].start != end || !isGTID(serverNames[events[j].name]) && events[j].name != "Rotate") {
				t.Errorf("%s: the transaction at %d ends at %d, where the server has %+v", path, e.start, end, events[j])
			}
		}
	}
}
