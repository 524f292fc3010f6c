package replication

import (
	"bytes"
	"os"
	"testing"
)

// seedEvents gives a fuzz target all real events of the test files, of one type or, with 0, of all.
func seedEvents(f *testing.F, want EventType, add func(event []byte)) {
	f.Helper()
	for _, path := range oracleFiles(f) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range readOracle(f, path) {
			event := data[e.start:e.end]
			if want == 0 || EventType(event[4]) == want {
				add(event)
				add(event[:len(event)-1])
			}
		}
	}
	add(nil)
}

func FuzzParseHeader(f *testing.F) {
	seedEvents(f, 0, func(event []byte) { f.Add(event[:min(len(event), HeaderSize+3)]) })
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			return
		}
		if h.Size < HeaderSize || h.Size > MaxEventSize || !bytes.Equal(h.Append(nil), b[:HeaderSize]) {
			t.Fatalf("%x accepted as %+v", b, h)
		}
	})
}

// An accepted FORMAT_DESCRIPTION may be edited any number of times: the size
// stays, its checksum stays right, and only the fields named change.
func FuzzFormatDescription(f *testing.F) {
	seedEvents(f, FormatDescriptionEvent, func(event []byte) { f.Add(event, true, true) })
	f.Fuzz(func(t *testing.T, event []byte, logPos, created bool) {
		before, err := ParseFormatDescription(event)
		if err != nil {
			return
		}
		valid := before.Checksum == ChecksumCRC32 && VerifyChecksum(event) == nil
		edited := bytes.Clone(event)
		if err := EditFormatDescription(edited, FormatDescriptionEdit{ZeroLogPos: logPos, ZeroCreated: created}); err != nil {
			t.Fatal(err)
		}
		after, err := ParseFormatDescription(edited)
		if err != nil || after.ServerVersion != before.ServerVersion || after.Checksum != before.Checksum || created && after.Created != 0 {
			t.Fatalf("%+v became %+v, %v", before, after, err)
		}
		if valid && VerifyChecksum(edited) != nil {
			t.Fatal("the checksum is wrong after the edit")
		}
		again := bytes.Clone(edited)
		if err := EditFormatDescription(again, FormatDescriptionEdit{ZeroLogPos: logPos, ZeroCreated: created}); err != nil || !bytes.Equal(again, edited) {
			t.Fatal("a second edit changes something")
		}
	})
}

func FuzzRotate(f *testing.F) {
	f.Add(uint32(7), uint64(4), "binlog.000001", true)
	f.Add(uint32(0), uint64(1)<<63, "", false)
	f.Fuzz(func(t *testing.T, server uint32, position uint64, name string, sum bool) {
		checksum := checksumOf(sum)
		event := AppendFakeRotate([]byte("before"), server, Rotate{position, name}, checksum)[len("before"):]
		checkMade(t, event, RotateEvent, checksum)
		if r, err := ParseRotate(event, checksum); err != nil || r != (Rotate{position, name}) {
			t.Fatalf("%d, %q came back as %+v, %v", position, name, r, err)
		}
	})
}

// An accepted ROTATE is what makes the same event again.
func FuzzParseRotate(f *testing.F) {
	seedEvents(f, RotateEvent, func(event []byte) { f.Add(event, true) })
	f.Fuzz(func(t *testing.T, event []byte, sum bool) {
		checksum := checksumOf(sum)
		r, err := ParseRotate(event, checksum)
		if err != nil {
			return
		}
		made := AppendFakeRotate(nil, 7, r, checksum)
		if end := len(event) - checksum.Size(); len(made) != len(event) || !bytes.Equal(made[HeaderSize:end], event[HeaderSize:end]) {
			t.Fatalf("%x accepted as %+v", event, r)
		}
	})
}

// What a PREVIOUS_GTIDS says is a set whose own form says the same, and it does not
// depend on the checksum behind it.
func FuzzParsePreviousGTIDs(f *testing.F) {
	seedEvents(f, PreviousGTIDsEvent, func(event []byte) { f.Add(event) })
	f.Fuzz(func(t *testing.T, event []byte) {
		set, err := ParsePreviousGTIDs(event, ChecksumNone)
		if err != nil {
			return
		}
		again, err := DecodeGTIDSet(set.AppendWire(nil))
		if err != nil || !again.Equal(set) {
			t.Fatalf("%s comes back as %s, %v", set, again, err)
		}
		if with, err := ParsePreviousGTIDs(append(bytes.Clone(event), 1, 2, 3, 4), ChecksumCRC32); err != nil || !with.Equal(set) {
			t.Fatalf("with a checksum: %s, %v", with, err)
		}
	})
}

// One bit turned anywhere is noticed, but for the in-use bit, which does not count.
func FuzzVerifyChecksum(f *testing.F) {
	seedEvents(f, 0, func(event []byte) { f.Add(event, uint32(1000)) })
	f.Fuzz(func(t *testing.T, event []byte, bit uint32) {
		if VerifyChecksum(event) != nil {
			return
		}
		if h, err := ParseHeader(event); err != nil || int(h.Size) != len(event) || h.Type == FormatDescriptionEvent {
			return
		}
		at := int(bit) % (8 * len(event))
		event = bytes.Clone(event)
		event[at/8] ^= 1 << (at % 8)
		if VerifyChecksum(event) == nil {
			t.Fatalf("bit %d of a %s event of %d bytes", at, EventType(event[4]), len(event))
		}
	})
}

func FuzzHeartbeat(f *testing.F) {
	f.Add(uint32(7), int64(4), "binlog.000001", true)
	f.Add(uint32(7), int64(5)<<32, "binlog.000001", false)
	f.Fuzz(func(t *testing.T, server uint32, offset int64, name string, sum bool) {
		if offset < 0 {
			return
		}
		checksum := checksumOf(sum)
		event := AppendHeartbeat(nil, server, Heartbeat{name, offset}, checksum)
		checkMade(t, event, HeartbeatEvent, checksum)
		if hb, err := ParseHeartbeat(event, checksum); err != nil || hb != (Heartbeat{name, offset & 0xffffffff}) {
			t.Fatalf("version 1 of %q, %d came back as %+v, %v", name, offset, hb, err)
		}
		event = AppendHeartbeatV2(nil, server, Heartbeat{name, offset}, checksum)
		checkMade(t, event, HeartbeatV2Event, checksum)
		if hb, err := ParseHeartbeat(event, checksum); err != nil || hb != (Heartbeat{name, offset}) {
			t.Fatalf("version 2 of %q, %d came back as %+v, %v", name, offset, hb, err)
		}
	})
}

func checksumOf(sum bool) Checksum {
	if sum {
		return ChecksumCRC32
	}
	return ChecksumNone
}

func checkMade(t *testing.T, event []byte, want EventType, checksum Checksum) {
	t.Helper()
	h, err := ParseHeader(event)
	if err != nil || h.Type != want || int(h.Size) != len(event) {
		t.Fatalf("%d bytes: %+v, %v", len(event), h, err)
	}
	if checksum == ChecksumCRC32 {
		if err := VerifyChecksum(event); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzParseHeartbeat(f *testing.F) {
	f.Add(AppendHeartbeatV2(nil, 7, Heartbeat{"binlog.000001", 5 << 32}, ChecksumNone))
	f.Add(AppendHeartbeat(nil, 7, Heartbeat{"binlog.000001", 5}, ChecksumNone))
	f.Fuzz(func(t *testing.T, event []byte) {
		if hb, err := ParseHeartbeat(event, ChecksumNone); err == nil && (hb.Offset < 0 || len(hb.File) > len(event)) {
			t.Fatalf("%x accepted as %+v", event, hb)
		}
	})
}

func FuzzTransactionPayload(f *testing.F) {
	seedEvents(f, TransactionPayloadEvent, func(event []byte) { f.Add(event) })
	f.Fuzz(func(t *testing.T, event []byte) {
		p, err := ParseTransactionPayload(event, ChecksumCRC32)
		if err == nil && !bytes.HasSuffix(event[HeaderSize:len(event)-4], p.Payload) {
			t.Fatal("the payload is not the rest of the event")
		}
	})
}

// Parsing a GTID event is stable under what stands behind it in memory, and an
// accepted one names a GTID that exists.
func FuzzParseGTIDEvent(f *testing.F) {
	seedEvents(f, GTIDEventType, func(event []byte) { f.Add(event) })
	seedEvents(f, GTIDTaggedEvent, func(event []byte) { f.Add(event) })
	f.Add(append(Header{Type: GTIDTaggedEvent, Size: HeaderSize + 2}.Append(nil), 2, 0)) // a size below what it takes to say it
	f.Fuzz(func(t *testing.T, event []byte) {
		e, err := ParseGTIDEvent(event, ChecksumNone, "")
		if err != nil {
			return
		}
		if e.GTID.Number < 0 || e.GTID.Number == 0 && EventType(event[4]) != AnonymousGTIDEvent || e.ImmediateCommit < 0 && EventType(event[4]) != GTIDTaggedEvent {
			t.Fatalf("accepted: %+v", e)
		}
		if e.GTID.Number > 0 {
			again, err := ParseGTID(e.GTID.String())
			if err != nil || again != e.GTID {
				t.Fatalf("%+v is printed as %s, which is %+v, %v", e.GTID, e.GTID, again, err)
			}
		}
		if same, err := ParseGTIDEvent(event, ChecksumNone, e.GTID.Tag); err != nil || same != e {
			t.Fatalf("with the tag known: %+v, %v", same, err)
		}
	})
}

func FuzzParseQueryStatement(f *testing.F) {
	seedEvents(f, QueryEvent, func(event []byte) { f.Add(event) })
	f.Fuzz(func(t *testing.T, event []byte) {
		whole, err := ParseQueryStatement(event, ChecksumNone, true)
		if err != nil {
			return
		}
		cut, err := ParseQueryStatement(event, ChecksumCRC32, false)
		if err != nil || !bytes.Equal(whole, cut) || !bytes.HasSuffix(event, whole) {
			t.Fatalf("%q, %q, %v", whole, cut, err)
		}
	})
}

// Whatever follows whatever, a transaction that ended is not open, and none
// begins while another is open without that one being given up for it.
func FuzzTransactions(f *testing.F) {
	for _, path := range oracleFiles(f) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[FirstEventOffset:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var tracker Transactions
		for {
			h, err := ParseHeader(b)
			if err != nil || int(h.Size) > len(b) {
				return
			}
			was := tracker.Open()
			effect, err := tracker.Next(b[:h.Size])
			if err != nil {
				if tracker.Open() != was {
					t.Fatal("an event that was refused changed the state")
				}
				return
			}
			if effect.Ends && tracker.Open() || effect.Begins && !effect.Ends && !tracker.Open() || !was && !effect.Begins && tracker.Open() {
				t.Fatalf("%+v, open %v before and %v after a %s", effect, was, tracker.Open(), h.Type)
			}
			b = b[h.Size:]
		}
	})
}
