package composed_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/composed"
)

func TestEveryEventIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "binlog.000001")
	uuid, err := replication.ParseUUID("00000000-0000-0000-0000-000000000001")
	if err != nil {
		t.Fatal(err)
	}
	previous, err := replication.ParseGTIDSet(uuid.String() + ":1-3")
	if err != nil {
		t.Fatal(err)
	}
	f := composed.Create(path, previous)
	f.Transaction(replication.GTID{UUID: uuid, Number: 4}, 100, 3<<20)
	f.Rotate("binlog.000002")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || int64(len(b)) != f.End() || !bytes.HasPrefix(b, replication.FileMagic[:]) {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	var types []replication.EventType
	for at := replication.FirstEventOffset; at < int64(len(b)); {
		h, err := replication.ParseHeader(b[at:])
		if err != nil {
			t.Fatal(err)
		}
		event := b[at : at+int64(h.Size)]
		if err := replication.VerifyChecksum(event); err != nil {
			t.Errorf("%+v: %v", h, err)
		}
		at += int64(h.Size)
		if h.LogPos != uint32(at) && h.Type != replication.FormatDescriptionEvent {
			t.Errorf("%+v ends at %d", h, at)
		}
		types = append(types, h.Type)
	}
	if len(types) != 8 || types[7] != replication.RotateEvent {
		t.Errorf("%v", types)
	}
}
