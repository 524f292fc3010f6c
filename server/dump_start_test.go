package server

import (
	"errors"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// A client that comes from the source itself may be ahead of us. That passes, and
// so it must not stop a replica for good, as error 1236 does; a short dump has to be
// told.
func TestAClientAheadOfTheLogIsMadeToWait(t *testing.T) {
	log := &fakeLog{executed: sourceUUID + ":1-10", files: []archive.File{
		{Name: "binlog.000008", Size: 1000, Sealed: true}, {Name: "binlog.000009", Size: 500}}}
	byFile := func(name string, pos uint64) dumpRequest { return dumpRequest{file: name, pos: pos} }
	byGTID := func(set string) dumpRequest { return dumpRequest{gtid: true, pos: 4, set: mustSet(set)} }
	for _, tt := range []struct {
		name    string
		request dumpRequest
		waits   bool
	}{
		{"behind the end of the file being written", byFile("binlog.000009", 501), true},
		{"in the next file", byFile("binlog.000010", 4), true},
		{"some files ahead", byFile("binlog.000123", 4), true},
		{"in a file of seven digits", byFile("binlog.1000000", 4), true},
		{"behind the end of a file that will not grow", byFile("binlog.000008", 1001), false},
		{"in a file before the first", byFile("binlog.000007", 4), false},
		{"in a file of another name", byFile("other.000010", 4), false},
		{"in no numbered file", byFile("binlog.later", 4), false},
		{"with a transaction of the source", byGTID(sourceUUID + ":1-11"), true},
		{"with a tagged one", byGTID(sourceUUID + ":1-10:tag:1"), true},
	} {
		d := &dump{log: log, source: mysql97(), request: tt.request}
		var told *wire.Error
		if _, err := d.find(); errors.Is(err, errTemporary) != tt.waits || errors.As(err, &told) == tt.waits {
			t.Errorf("%s: %v", tt.name, err)
		}
		d.request.nonBlock = true
		if _, err := d.find(); !errors.As(err, &told) || told.Number != wire.ERMasterFatalReadingLog {
			t.Errorf("%s, non-blocking: %v", tt.name, err)
		}
	}
	d := &dump{log: log, source: mysql97(), request: byFile("binlog.000009", 500)}
	if at, err := d.find(); err != nil || at != (replication.Position{File: "binlog.000009", Offset: 500}) {
		t.Errorf("at the end: %v, %v", at, err)
	}
}

// A log whose only file has no more than its FORMAT_DESCRIPTION yet cannot say what
// came before it. A replica that asks then is not to stop for good.
func TestADumpByGTIDWaitsForTheFirstPreviousGTIDs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		file  archive.File
		waits bool
	}{
		{"not there yet", archive.File{}, true},
		{"there", archive.File{GTIDsBefore: mustSet("")}, false},
		{"never to come", archive.File{Sealed: true}, false},
	} {
		tt.file.Name, tt.file.Size = "binlog.000001", 126
		d := &dump{log: &fakeLog{files: []archive.File{tt.file}}, source: mysql97(), request: dumpRequest{gtid: true, pos: 4, set: mustSet("")}}
		var told *wire.Error
		if _, err := d.find(); errors.Is(err, errTemporary) != tt.waits || errors.As(err, &told) == tt.waits {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
