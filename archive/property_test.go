package archive_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// machine drives a log by whatever may happen to it, in any order. The model is the
// source's history and the most that the log has ever promised.
type machine struct {
	fsys    *memfs.FS
	opts    archive.Options
	log     *archive.Log
	history *history
	most    promise
}

func (m *machine) open(t *rapid.T) {
	m.opts.FS = m.fsys
	l, err := archive.Open(context.Background(), m.opts)
	if err != nil {
		t.Fatal(err)
	}
	m.log = l
	if err := l.Bind(testIdentity); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) note(t *rapid.T) {
	p := promiseOf(m.log)
	if m.history.before(p.published, m.most.published) || !p.executed.ContainsSet(m.most.executed) {
		t.Fatalf("published %v, before %v", p.published, m.most.published)
	}
	m.most = p
}

func (m *machine) feed(t *rapid.T) {
	f := feeder{
		history: m.history, flushEvery: rapid.IntRange(0, 9).Draw(t, "flush every"),
		stopAfter: rapid.IntRange(0, 30).Draw(t, "stop after"), announce: rapid.Bool().Draw(t, "announce"),
		partSize: rapid.SampledFrom([]int{0, 70_000}).Draw(t, "part size"),
		runs:     rapid.SampledFrom([]int{0, 1, 7, 100}).Draw(t, "runs"),
	}
	if err := f.runStopped(m.log); err != nil {
		t.Fatal(err)
	}
	m.note(t)
}

func (m *machine) source(t *rapid.T) {
	for range rapid.IntRange(1, 4).Draw(t, "transactions") {
		m.history.transaction(rapid.IntRange(0, 5000).Draw(t, "size"), 1000)
	}
	if rapid.IntRange(0, 3).Draw(t, "rotate") == 0 {
		m.history.rotate()
	}
	if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
		m.history.transaction(150_000, 150_000)
	}
}

// crash replaces the disk with what a power failure or the death of the process leaves.
func (m *machine) crash(t *rapid.T) {
	m.note(t)
	left := m.fsys.CrashClone(rapid.Uint64().Draw(t, "seed"))
	if rapid.Bool().Draw(t, "killed only") {
		left = m.fsys.Clone()
	}
	m.log.Close()
	m.fsys = left
	m.open(t)
	m.note(t)
}

func (m *machine) restart(t *rapid.T) {
	if err := m.log.Close(); err != nil {
		t.Fatal(err)
	}
	m.note(t)
	m.open(t)
	m.note(t)
}

func (m *machine) fail(t *rapid.T) {
	n := m.fsys.Ops() + rapid.IntRange(1, 10).Draw(t, "operation")
	m.fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.N == n {
			return memfs.Fault{Err: errors.New("injected")}
		}
		return memfs.Fault{}
	})
	err := feeder{history: m.history, flushEvery: 3}.runStopped(m.log)
	m.fsys.SetInjector(nil)
	var disk *archive.DiskError
	if err != nil && (!errors.As(err, &disk) || disk.Permanent()) {
		t.Fatal(err)
	}
	m.note(t)
	m.history.transaction(10, 10) // one commit goes well: a second failure in a row would be final
	if _, err := runThrough(m.log, m.history); err != nil {
		t.Fatal(err)
	}
	m.note(t)
}

func (m *machine) check(t *rapid.T) {
	if m.log.State().Published.File == "" {
		return
	}
	if err := compareRead(m.log, m.history, m.log.State().Published); err != nil && err != errMoved {
		t.Fatal(err)
	}
}

func TestAnyOrderOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{fsys: memfs.New(), most: promise{executed: &replication.GTIDSet{}}}
		m.opts = memOptions(nil)
		m.opts.MarkEvery = rapid.SampledFrom([]time.Duration{time.Nanosecond, time.Hour}).Draw(t, "mark every")
		checksum := rapid.SampledFrom([]replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone}).Draw(t, "checksum")
		m.history = newHistory(1, checksum)
		m.history.begin()
		m.open(t)
		defer func() { m.log.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"source": m.source, "feed": m.feed, "crash": m.crash, "restart": m.restart, "fail": m.fail, "": m.check,
		})
		if _, err := runThrough(m.log, m.history); err != nil {
			t.Fatal(err)
		}
		if err := m.log.Close(); err != nil {
			t.Fatal(err)
		}
		if err := compareDisk(m.fsys, m.log, m.history); err != nil {
			t.Fatal(err)
		}
	})
}
