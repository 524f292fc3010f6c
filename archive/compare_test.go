package archive_test

import (
	"errors"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// received gives an open log that holds all of h.
func received(t *testing.T, h *history) (*archive.Log, *memfs.FS) {
	t.Helper()
	fsys := memfs.New()
	l := mustOpen(t, memOptions(fsys))
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 5}.run(l))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	return l, fsys
}

func TestResumeBeginsAtAnEventBeforeTheEnd(t *testing.T) {
	h := smallHistory(21, replication.ChecksumCRC32, 1, 60)
	l, _ := received(t, h)
	from, ok, err := l.Resume(anyReach)
	must(t, err)
	end, held := l.End()
	if !ok || !held || end.Offset != int64(len(h.file().bytes)) {
		t.Fatalf("end %v", end)
	}
	isStart := false
	for _, start := range h.file().starts {
		isStart = isStart || int64(start) == from.Offset
	}
	if back := end.Offset - from.Offset; !isStart || back < 1<<10 || back > 1<<10+6100 {
		t.Fatalf("resume at %v, an event's start: %v, end %v", from, isStart, end)
	}
}

// Whatever else the source sends where something is held is another history:
// nothing of it is kept, nothing held changes.
func TestOtherBytesAreAnotherHistory(t *testing.T) {
	h := smallHistory(22, replication.ChecksumCRC32, 1, 30)
	whole := h.file().bytes
	cases := map[string]func(f *binlogFile){
		"a byte differs": func(f *binlogFile) { f.bytes[len(whole)-700] ^= 1 },
		"an event goes on beyond the end": func(f *binlogFile) {
			start := f.starts[len(f.starts)-1]
			event := append([]byte(nil), f.bytes[start:]...)
			event[9] += 3
			f.bytes = append(append(f.bytes[:start:start], event...), 1, 2, 3)
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			l, fsys := received(t, h)
			before := l.State()
			other := *h
			f := *h.file()
			f.bytes = append([]byte(nil), whole...)
			change(&f)
			other.files = []*binlogFile{&f}
			err := feeder{history: &other, flushEvery: 5}.run(l)
			var different *archive.HistoryError
			if !errors.As(err, &different) || !different.Permanent() || different.File != f.name || len(different.Found) == 0 {
				t.Fatalf("error %v", err)
			}
			if name == "a byte differs" && (different.Offset != int64(len(whole)-700) || different.Expected[0] != different.Found[0]^1) {
				t.Fatalf("error %v, the byte is %d", err, len(whole)-700)
			}
			if now := l.State(); now.Published != before.Published || now.Durable != before.Durable {
				t.Fatalf("state %+v, was %+v", now, before)
			}
			must(t, l.Close())
			must(t, compareDisk(fsys, l, h))
		})
	}
}

func TestSourceShorterThanHeldIsAnotherHistory(t *testing.T) {
	h := smallHistory(23, replication.ChecksumCRC32, 1, 30)
	l, _ := received(t, h)
	if _, _, err := l.Resume(anyReach); err != nil {
		t.Fatal(err)
	}
	var different *archive.HistoryError
	if err := l.StartFile("binlog.000002"); !errors.As(err, &different) || different.File != "binlog.000001" {
		t.Fatalf("StartFile before the end of what is held: %v", err)
	}
	// The same after RESET: a name that is held complete comes again.
	h.rotate()
	h.transaction(10, 10)
	must(t, feeder{history: h}.run(l))
	if err := l.StartFile("binlog.000001"); !errors.As(err, &different) {
		t.Fatalf("StartFile of a complete file: %v", err)
	}
}

// What recovery found behind the mark was proven by nothing but itself: the first
// resume repeats all of it, and the mark stays until it was compared.
func TestRecoveredTailIsCompared(t *testing.T) {
	h := smallHistory(24, replication.ChecksumCRC32, 1, 20)
	marked := int64(len(h.file().bytes))
	for range 50 {
		h.transaction(300, 100)
	}
	fsys, opts := markedLogOf(t, h, marked)
	must(t, fsys.Edit(memDir+"/"+timelineName+"/"+h.file().name, func([]byte) []byte { return h.file().bytes }))
	for range 2 { // closing does not mark it
		l := mustOpen(t, opts)
		from, _, err := l.Resume(anyReach)
		must(t, err)
		if from.Offset > marked-1<<10 {
			t.Fatalf("resume at %v, the mark was %d", from, marked)
		}
		must(t, l.Close())
	}
	l := mustOpen(t, opts)
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	l = mustOpen(t, opts)
	from, _, err := l.Resume(anyReach)
	must(t, err)
	if end := int64(len(h.file().bytes)); from.Offset < end-1<<10-400 {
		t.Fatalf("resume at %v, all up to %d was compared", from, end)
	}
}

func TestAnotherServerIsRefused(t *testing.T) {
	fsys := memfs.New()
	l := mustOpen(t, memOptions(fsys))
	if _, ok := l.Identity(); ok {
		t.Fatal("an identity before Bind")
	}
	must(t, l.Bind(testIdentity))
	must(t, l.Close())
	l = mustOpen(t, memOptions(fsys))
	other := testIdentity
	other.ServerUUID[0] ^= 1
	var identity *archive.IdentityError
	if err := l.Bind(other); !errors.As(err, &identity) || !identity.Permanent() || identity.Held != testIdentity || identity.Found != other {
		t.Fatalf("Bind of another server: %v", err)
	}
	other = testIdentity
	other.ServerID++
	must(t, l.Bind(other))
	if held, ok := l.Identity(); !ok || held != testIdentity {
		t.Fatalf("identity %v", held)
	}
}

func TestOneWriterPerDirectory(t *testing.T) {
	for name, opts := range map[string]archive.Options{
		"memory": memOptions(memfs.New()), "operating system": {Dir: t.TempDir()},
	} {
		l := mustOpen(t, opts)
		var locked *archive.LockedError
		if _, err := archive.Open(t.Context(), opts); !errors.As(err, &locked) {
			t.Fatalf("%s: second Open: %v", name, err)
		}
		must(t, l.Close())
		must(t, l.Close())
		must(t, mustOpen(t, opts).Close())
	}
}

// Rubbish from the source is refused before a byte of it is kept.
func TestRubbishIsRefused(t *testing.T) {
	h := smallHistory(25, replication.ChecksumCRC32, 1, 5)
	fd := h.file().bytes[h.file().starts[0]:h.file().starts[1]]
	gtid := h.file().bytes[h.file().starts[2]:h.file().starts[3]]
	wrong := map[string]func(l *archive.Log) error{
		"event before StartFile": func(l *archive.Log) error { return l.Append(fd, true) },
		"name with a slash":      func(l *archive.Log) error { return l.StartFile("../binlog.000001") },
		"no FORMAT_DESCRIPTION":  func(l *archive.Log) error { return errors.Join(l.StartFile("b.000001"), l.Append(gtid, true)) },
		"too few bytes":          func(l *archive.Log) error { return errors.Join(l.StartFile("b.000001"), l.Append(fd[:50], true)) },
		"too many bytes": func(l *archive.Log) error {
			return errors.Join(l.StartFile("b.000001"), l.Append(append(fd[:len(fd):len(fd)], 1), true))
		},
		"short first part": func(l *archive.Log) error { return errors.Join(l.StartFile("b.000001"), l.Append(fd[:50], false)) },
		"two FORMAT_DESCRIPTIONs": func(l *archive.Log) error {
			return errors.Join(l.StartFile("b.000001"), l.Append(fd, true), l.Append(fd, true))
		},
		"a run that ends within an event": func(l *archive.Log) error {
			return errors.Join(l.StartFile("b.000001"), l.AppendRun(append(fd[:len(fd):len(fd)], gtid[:len(gtid)-1]...)))
		},
		"a run without a header": func(l *archive.Log) error {
			return errors.Join(l.StartFile("b.000001"), l.AppendRun(append(fd[:len(fd):len(fd)], 1)))
		},
		"not even a header": func(l *archive.Log) error { return errors.Join(l.StartFile("b.000001"), l.Append(fd[:3], true)) },
		"impossible size": func(l *archive.Log) error {
			return errors.Join(l.StartFile("b.000001"), l.Append(append(fd[:9:9], 255, 255, 255, 255, 0, 0, 0, 0, 0, 0), true))
		},
	}
	for name, do := range wrong {
		t.Run(name, func(t *testing.T) {
			l := mustOpen(t, memOptions(memfs.New()))
			must(t, l.Bind(testIdentity))
			var stream *archive.StreamError
			if err := do(l); !errors.As(err, &stream) {
				t.Fatalf("error %v", err)
			}
			must(t, l.Close())
			if end := l.State().Durable.Offset; end > int64(h.file().starts[1]) {
				t.Fatalf("durable to %d", end)
			}
		})
	}
}
