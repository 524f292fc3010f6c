package archive_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// realHistory is what a MySQL 9.7 server wrote: DDL, tagged GTIDs, XA, a compressed
// and an empty transaction, a MyISAM table, statements, and a last file with
// binlog_checksum=NONE. executed is what the server itself said.
func realHistory(t *testing.T) *history {
	t.Helper()
	executed, err := replication.ParseGTIDSet("5f02163a-e672-11f1-86c6-0242ac110004:1-19:tagged:1-2,7e11fa47-71ca-11e1-9e33-c80aa9429562:5")
	must(t, err)
	h := &history{executed: executed}
	names, err := filepath.Glob("testdata/mysql97/binlog.*")
	must(t, err)
	if len(names) != 3 {
		t.Fatalf("files %v", names)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		must(t, err)
		f := &binlogFile{name: filepath.Base(name), bytes: b}
		for at := 4; at < len(b); at += int(binary.LittleEndian.Uint32(b[at+9:])) {
			f.starts = append(f.starts, at)
		}
		h.files = append(h.files, f)
	}
	return h
}

// The server's own files come out as they went in, and the set of transactions is
// the one that the server reports.
func TestRealServersFiles(t *testing.T) {
	h := realHistory(t)
	fsys := memfs.New()
	opts := memOptions(fsys)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 3}.run(l))
	must(t, l.Close())
	for range 2 {
		l = mustOpen(t, opts)
		checkRead(t, l, h)
		if !l.Executed().Equal(h.executed) {
			t.Errorf("executed %v, the server says %v", l.Executed(), h.executed)
		}
		end := replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))}
		if got := l.State().Published; got != end {
			t.Errorf("published %v, expected %v", got, end)
		}
		must(t, l.Close())
		must(t, compareDisk(fsys, l, h))
	}
	last := l.Files()[2]
	if last.Checksum != replication.ChecksumNone || last.ServerVersion[:4] != "9.7." || l.Files()[0].Checksum != replication.ChecksumCRC32 {
		t.Errorf("files %+v", l.Files())
	}
	first := l.Files()[0]
	if !first.Sealed || first.FirstTime.IsZero() || first.LastTime.Before(first.FirstTime) {
		t.Errorf("first file %+v", first)
	}
}

func TestRealServersFilesSurvivePowerFailure(t *testing.T) {
	h := realHistory(t)
	fsys := memfs.New()
	s := &crashSweep{t: t, opts: memOptions(fsys), seeds: []uint64{0, 2}, fsys: fsys, history: h}
	fsys.SetInjector(s.inject)
	must(t, scenarios()[0].run(s, func() *archive.Log {
		l := mustOpen(t, s.opts)
		s.live.Store(l)
		return l
	}))
	fsys.SetInjector(nil)
}
