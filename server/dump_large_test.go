package server

import (
	"math"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// The whole of it, against a real server, is made by "make test-large".

func TestHeartbeatsHaveVersion2OnlyWhereThePositionNeedsIt(t *testing.T) {
	const above = 5<<30 + 7
	for _, tt := range []struct {
		name       string
		end        int64
		flags      wire.DumpFlags
		capability int
		want       replication.EventType
		offset     int64
	}{
		{"below", math.MaxUint32, wire.DumpHeartbeatV2, 0, replication.HeartbeatEvent, math.MaxUint32},
		{"above", above, wire.DumpHeartbeatV2, 0, replication.HeartbeatV2Event, above},
		{"just above", 1 << 32, wire.DumpHeartbeatV2, 0, replication.HeartbeatV2Event, 1 << 32},
		{"above, not asked for", above, wire.DumpThroughGTID, 0, replication.HeartbeatEvent, above & math.MaxUint32},
		{"above, MariaDB", above, wire.DumpHeartbeatV2, 4, replication.HeartbeatEvent, above & math.MaxUint32},
	} {
		d := &dump{source: mysql97(), file: madeUpFile, request: dumpRequest{flags: tt.flags, mariadbCapability: tt.capability}}
		d.heartbeat(tt.end)
		event := d.out[wire.HeaderLen+1:]
		h, err := replication.ParseHeader(event)
		hb, hbErr := replication.ParseHeartbeat(event, replication.ChecksumNone)
		if err != nil || hbErr != nil || h.Type != tt.want || hb != (replication.Heartbeat{File: madeUpFile, Offset: tt.offset}) || h.LogPos != uint32(tt.end) {
			t.Errorf("%s: %+v %+v, %v, %v", tt.name, h, hb, err, hbErr)
		}
	}
}

func TestPositionsAbove4GiBAreWhole(t *testing.T) {
	ts := startServer(t, nil)
	ts.log.files = []archive.File{{Name: madeUpFile, Size: 6 << 30, Sealed: true}}
	at := replication.Position{File: madeUpFile, Offset: 5 << 30}
	d := &dump{log: ts.log, source: mysql97(), request: dumpRequest{gtid: true, file: at.File, pos: uint64(at.Offset), set: mustSet("")}}
	if got, err := d.find(); err != nil || got != at {
		t.Errorf("%v, %v", got, err)
	}
	d.rotate(at)
	rotate, err := replication.ParseRotate(d.out[wire.HeaderLen+1:], replication.ChecksumNone)
	if want := (replication.Rotate{Position: 5 << 30, Name: madeUpFile}); err != nil || rotate != want {
		t.Errorf("%+v, %v", rotate, err)
	}
	if a, e := connect(t, ts, 0).query("SHOW BINARY LOGS"); e != nil || len(a.rows) != 1 || a.rows[0][1] != "6442450944" {
		t.Errorf("%v, %v", a.rows, e)
	}
}

// A wrong last part of an event's place would move every later position.
func TestPartsOfAnEventAbove4GiBMoveThePosition(t *testing.T) {
	const start, size = 4<<30 - 100, 3000
	h := replication.Header{Type: 30, Size: size, LogPos: (start + size) & math.MaxUint32}
	event := append(h.Append(nil), make([]byte, size-replication.HeaderSize)...)
	d := &dump{source: mysql97(), file: madeUpFile}
	for _, c := range []archive.Chunk{
		{Offset: start, Data: event[:1000], Part: archive.FirstPart},
		{Offset: start + 1000, Data: event[1000:2000], Part: archive.MiddlePart},
		{Offset: start + 2000, Data: event[2000:], Part: archive.LastPart},
	} {
		c.File = madeUpFile
		if err := d.chunk(c); err != nil {
			t.Fatal(err)
		}
	}
	if d.end != start+size || len(d.out) != wire.HeaderLen+1+size || d.frame.Rest() != 0 {
		t.Errorf("at %d with %d bytes, %d are missing", d.end, len(d.out), d.frame.Rest())
	}
}
