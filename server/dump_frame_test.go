package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// dumpTo is a dump of a client that reads checksums; what it gets is written to sent.
func dumpTo(sent *bytes.Buffer, l Log, request dumpRequest) *dump {
	request.checksum = checksumCRC32
	return &dump{log: l, request: request, conn: sent, source: mysql97(), checksum: replication.ChecksumCRC32, progress: &dumpProgress{}}
}

// shuffledLog is a log of a few files with transactions of two servers, their numbers not in order
// and their sizes from tiny to larger than a reader's buffer. It gives the files' bytes,
// and the transactions in the order in which they stand there.
func shuffledLog(t *testing.T, random *rand.Rand) (_ *archive.Log, files map[string][]byte, order []replication.GTID) {
	t.Helper()
	l, w := newMadeUpLog(t, 8<<10)
	numbers := random.Perm(240)
	for i, n := range numbers {
		if i > 0 && i%100 == 0 {
			w.rotate(fmt.Sprintf("binlog.%06d", i/100+1))
		}
		size := random.IntN(300)
		switch random.IntN(100) {
		case 0:
			size = 140_000 + random.IntN(100_000)
		case 1:
			size = 8000
		}
		g := replication.GTID{UUID: uuidOf(t, []string{sourceUUID, otherUUID}[n%2]), Number: int64(n/2 + 1)}
		order = append(order, g)
		w.transaction(g.UUID, g.Number, size)
		if random.IntN(10) == 0 {
			l.Flush()
		}
	}
	l.Flush()
	waitForEnd(l, w)
	return l, w.files, order
}

const otherUUID = "11111111-2222-3333-4444-555555555555"

// naiveDump is what a client that lacks all but set is to get: the types of all
// packets and, of events that stand in a file, their bytes.
func naiveDump(files map[string][]byte, names []string, set *replication.GTIDSet) []string {
	var out []string
	for _, name := range names {
		out = append(out, "ROTATE")
		skipped := int64(0)
		inSkip := false
		heartbeat := func() {
			if skipped > 0 {
				out = append(out, fmt.Sprint("HEARTBEAT ", name, " ", skipped))
			}
			skipped = 0
		}
		for at := int64(4); at < int64(len(files[name])); {
			event := files[name][at:]
			event = event[:binary.LittleEndian.Uint32(event[9:])]
			end := at + int64(len(event))
			kind := replication.EventType(event[4])
			if kind == replication.GTIDEventType {
				g, _ := replication.ParseGTIDEvent(event, replication.ChecksumCRC32, "")
				inSkip = set.Contains(g.GTID)
			}
			switch {
			case kind == replication.FormatDescriptionEvent:
				out = append(out, "FORMAT_DESCRIPTION")
			case inSkip && kind != replication.RotateEvent:
				skipped = end
			default:
				heartbeat()
				out = append(out, string(event))
			}
			at = end
		}
		if name == names[len(names)-1] {
			heartbeat()
		}
	}
	return append(out, "EOF")
}

// sentPackets reads what a dump has written, checking the packets' sequence, and
// gives it as naiveDump does.
func sentPackets(t *testing.T, stream []byte) []string {
	t.Helper()
	var out []string
	for seq := byte(0); len(stream) > 0; seq++ {
		n := int(stream[0]) | int(stream[1])<<8 | int(stream[2])<<16
		if stream[3] != seq {
			t.Fatalf("packet %d has number %d", len(out), stream[3])
		}
		p := stream[4 : 4+n]
		stream = stream[4+n:]
		if p[0] == 0xfe {
			out = append(out, "EOF")
			continue
		}
		h, err := replication.ParseHeader(p[1:])
		if err != nil || int(h.Size) != n-1 {
			t.Fatalf("packet %d: an event of %d bytes in one of %d, %v", len(out), h.Size, n, err)
		}
		switch {
		case h.Type == replication.HeartbeatEvent:
			name := p[1+replication.HeaderSize : len(p)-4]
			out = append(out, fmt.Sprint("HEARTBEAT ", string(name), " ", h.LogPos))
		case h.Type == replication.RotateEvent && h.Artificial(), h.Type == replication.FormatDescriptionEvent:
			out = append(out, h.Type.String())
		default:
			out = append(out, string(p[1:]))
		}
	}
	return out
}

// Whatever a client has, it gets everything else, each event as it stands, and a
// heartbeat behind each stretch that it has.
func TestDumpSendsExactlyWhatTheClientLacks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	l, files, order := shuffledLog(t, random)
	for round := range 10 {
		set := mustSet("")
		for range random.IntN(12) {
			first := 1 + random.Int64N(120)
			last := min(first+random.Int64N([]int64{1, 10, 150}[random.IntN(3)]), 120)
			uuid := uuidOf(t, []string{sourceUUID, otherUUID, "99999999-2222-3333-4444-555555555555"}[random.IntN(3)])
			if err := set.AddInterval(uuid, "", first, last); err != nil {
				t.Fatal(err)
			}
		}
		if round%2 == 0 { // like a replica that was here before
			for _, g := range order[:random.IntN(len(order))] {
				if err := set.Add(g); err != nil {
					t.Fatal(err)
				}
			}
		}
		var sent bytes.Buffer
		d := dumpTo(&sent, l, dumpRequest{gtid: true, set: set, nonBlock: true})
		if err := d.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		first, err := l.FileForGTIDs(set)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range l.Files() {
			if f.Seq >= first.Seq {
				names = append(names, f.Name)
			}
		}
		if got, want := sentPackets(t, sent.Bytes()), naiveDump(files, names, set); !slices.Equal(got, want) {
			for i := range got {
				if i >= len(want) || got[i] != want[i] {
					t.Fatalf("round %d, set %v: packet %d of %d (expected %d) is %.60q", round, set, i, len(got), len(want), got[i])
				}
			}
			t.Fatalf("round %d, set %v: %d packets, expected %d", round, set, len(got), len(want))
		}
	}
}

// A client that has what a gap lacks, but not all that stands before it, gets that and goes
// on behind the gap.
func TestDumpCrossesAGapOfWhichTheClientHasEverything(t *testing.T) {
	l, w := newMadeUpLog(t, 0)
	uuid := uuidOf(t, sourceUUID)
	w.transaction(uuid, 1, 90)
	for n := range int64(3) { // 2 to 4 are never received
		if err := w.executed.Add(replication.GTID{UUID: uuid, Number: n + 2}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Gap("purged", "binlog.000003", w.executed); err != nil {
		t.Fatal(err)
	}
	w.file("binlog.000003")
	w.transaction(uuid, 5, 90)
	l.Flush()
	waitForEnd(l, w)
	dump := func(set string) ([]string, error) {
		var sent bytes.Buffer
		d := dumpTo(&sent, l, dumpRequest{gtid: true, set: mustSet(set), nonBlock: true})
		err := d.run(t.Context())
		return sentPackets(t, sent.Bytes()), err
	}
	got, err := dump(sourceUUID + ":2-4")
	if want := naiveDump(w.files, []string{madeUpFile, "binlog.000003"}, mustSet(sourceUUID+":2-4")); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d packets, expected %d, %v", len(got), len(want), err)
	}
	got, err = dump(sourceUUID + ":1-5") // it came from the source itself
	if want := naiveDump(w.files, []string{"binlog.000003"}, mustSet(sourceUUID+":1-5")); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d packets, expected %d, %v", len(got), len(want), err)
	}
	var refusal *wire.Error
	if _, err := dump(sourceUUID + ":2-3"); !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "missing transactions are '"+sourceUUID+":4'") {
		t.Errorf("%v", err)
	}
}

// A gap in which no GTID is missing is nothing that a client lacks: it comes again and
// goes on behind. By file and position it is the end.
func TestDumpEndsAtAGapThatLacksNothing(t *testing.T) {
	l, w := newMadeUpLog(t, 0)
	uuid := uuidOf(t, sourceUUID)
	w.transaction(uuid, 1, 90)
	if err := l.Gap("purged", "binlog.000003", w.executed); err != nil {
		t.Fatal(err)
	}
	w.file("binlog.000003")
	w.transaction(uuid, 2, 90)
	l.Flush()
	waitForEnd(l, w)
	var sent bytes.Buffer
	dump := func(r dumpRequest) error {
		sent.Reset()
		r.nonBlock = true
		d := dumpTo(&sent, l, r)
		return d.run(t.Context())
	}
	if err := dump(dumpRequest{gtid: true, set: mustSet("")}); !errors.Is(err, errTemporary) {
		t.Errorf("%v", err)
	}
	has := mustSet(sourceUUID + ":1")
	err := dump(dumpRequest{gtid: true, set: has})
	if got, want := sentPackets(t, sent.Bytes()), naiveDump(w.files, []string{"binlog.000003"}, has); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d packets, expected %d, %v", len(got), len(want), err)
	}
	if err := dump(dumpRequest{file: madeUpFile, pos: 4}); err == nil || !strings.Contains(err.Error(), "could not find next log") {
		t.Errorf("%v", err)
	}
}

// A dump that is to end does so although what it has framed is too little for a write
// and all that follows is left out.
func TestDumpEndsWithinALongSkip(t *testing.T) {
	l, w := newMadeUpLog(t, 0)
	uuid := uuidOf(t, sourceUUID)
	const lacked, last = 100, 600
	for n := int64(1); n <= lacked; n++ {
		w.transaction(uuid, n, 100)
	}
	for n := int64(lacked + 1); n <= last; n++ {
		w.transaction(uuid, n, 8000)
	}
	l.Flush()
	waitForEnd(l, w)
	indexes, err := filepath.Glob(filepath.Join(w.dir, "*.idx"))
	if err != nil || len(indexes) != 1 {
		t.Fatalf("%v, %v", indexes, err)
	}
	if err := os.Remove(indexes[0]); err != nil { // nothing to jump by
		t.Fatal(err)
	}
	set := mustSet("")
	if err := set.AddInterval(uuid, "", lacked+1, last); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var sent bytes.Buffer
	d := dumpTo(&sent, l, dumpRequest{gtid: true, set: set})
	if err := d.run(ctx); !errors.Is(err, context.Canceled) || d.end > 1<<20 {
		t.Errorf("%v, at %d of %d", err, d.end, w.end)
	}
}

// Only so many dumps gather at a time, and each leaves its place.
func TestFewDumpsGather(t *testing.T) {
	l, _ := madeUpLog(t, 2<<20, 8000)
	for range 2 * cap(gatherers) {
		var sent bytes.Buffer
		d := dumpTo(&sent, l, dumpRequest{file: madeUpFile, pos: 4, nonBlock: true})
		if err := d.run(t.Context()); err != nil || sent.Len() < 2<<20 {
			t.Fatalf("%v, %d bytes", err, sent.Len())
		}
		if d.gathering || len(gatherers) > 0 {
			t.Fatalf("a dump at its end is one of %d that gather", len(gatherers))
		}
	}
	for range cap(gatherers) {
		gatherers <- struct{}{}
	}
	d := &dump{out: make([]byte, smallOut+1)}
	if d.gathers() {
		t.Error("one more gathers")
	}
	for range cap(gatherers) {
		<-gatherers
	}
	if !d.gathers() {
		t.Error("none gathers where there is a place")
	}
	d.stopGathering()
	if d.slow = true; d.gathers() {
		t.Error("one whose client is slow gathers")
	}
}
