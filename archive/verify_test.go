package archive_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// overwrite puts bytes into a file behind the log's back.
func overwrite(t *testing.T, fsys *memfs.FS, name string, at int64, b []byte) {
	t.Helper()
	f, err := fsys.OpenFile(name, archive.ReadWrite)
	must(t, err)
	_, err = f.WriteAt(b, at)
	must(t, errors.Join(err, f.Close()))
}

// drain reads to the first error.
func drain(l *archive.Log, from replication.Position) (got []byte, err error) {
	r, err := l.OpenAt(from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		c, err := r.Next()
		if err != nil {
			return got, err
		}
		got = append(got, c.Data...)
	}
}

// A bit that flipped in a sealed file is found by whoever reads it: the event is
// not served, file and offset are named, and nothing more is written.
func TestFlippedBitInASealedFileIsNotServed(t *testing.T) {
	for _, large := range []bool{false, true} {
		h := newHistory(51, replication.ChecksumCRC32)
		h.begin()
		h.transaction(100, 80)
		if large {
			h.transaction(400_000, 400_000) // an event in parts
		}
		h.transaction(100, 80)
		h.rotate()
		h.transaction(100, 80)
		l, fsys := received(t, h)
		first := h.files[0]
		bad := first.starts[len(first.starts)/2]
		for i, start := range first.starts { // the largest event there is
			if end := append(first.starts, len(first.bytes))[i+1]; end-start > 300_000 {
				bad = start
			}
		}
		flipped := bad + 30
		overwrite(t, fsys, memDir+"/"+timelineName+"/"+first.name, int64(flipped), []byte{first.bytes[flipped] ^ 4})

		got, err := drain(l, replication.Position{})
		var damage *archive.DamageError
		if !errors.As(err, &damage) || !bytes.HasSuffix([]byte(damage.File), []byte(first.name)) {
			t.Fatalf("large %v: %v", large, err)
		}
		if !large && (damage.Offset != int64(bad) || !bytes.Equal(got, first.bytes[4:bad])) {
			t.Errorf("damage at %d found at %d, %d bytes before it served", bad, damage.Offset, len(got))
		}
		if l.State().Stopped == nil {
			t.Error("the log goes on")
		}
		if _, _, err := l.Resume(anyReach); !errors.As(err, &damage) {
			t.Errorf("writing goes on: %v", err)
		}
		if got, err := drain(l, replication.Position{File: h.files[1].name, Offset: 4}); !errors.As(err, &damage) || !bytes.Equal(got, h.files[1].bytes[4:]) {
			t.Errorf("the sound file is not served, or it is waited for more: %v", err)
		}
		_ = l.Close()
	}
}

// What the sealer finds when it reads a complete file back ends the readers that wait
// at the live tail: nothing will ever come there.
func TestDamageThatTheSealerFindsEndsReadersAtTheTail(t *testing.T) {
	h := smallHistory(56, replication.ChecksumCRC32, 2, 20)
	first := h.files[0]
	fsys := memfs.New()
	l := mustOpen(t, memOptions(fsys))
	must(t, l.Bind(testIdentity))
	must(t, l.StartFile(first.name))
	must(t, feeder{history: h}.sendAll(l, first, 4))
	l.Flush()
	waitPublished(t, l, replication.Position{File: first.name, Offset: int64(len(first.bytes))})
	r := atTail(t, l)
	name := memDir + "/" + timelineName + "/" + first.name
	overwrite(t, fsys, name, 40, []byte{first.bytes[40] ^ 1})

	changed := l.Changed()
	var damage *archive.DamageError
	if err := l.StartFile(h.files[1].name); err != nil && !errors.As(err, &damage) {
		t.Fatal(err)
	}
	for deadline := time.After(20 * time.Second); ; changed = l.Changed() {
		if _, err := r.Next(); errors.As(err, &damage) && damage.File == name {
			break
		} else if !errors.Is(err, archive.ErrTail) {
			t.Fatal(err)
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("the reader waits for ever")
		}
	}
	_ = l.Close()
}

// A position that never was an event's is the reader's mistake, not damage.
func TestWrongPositionIsNoDamage(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		h := smallHistory(52, checksum, 2, 20)
		l, _ := received(t, h)
		for offset := int64(5); offset < int64(h.files[0].starts[6]); offset++ {
			_, err := drain(l, replication.Position{File: h.files[0].name, Offset: offset})
			var damage *archive.DamageError
			if errors.As(err, &damage) || l.State().Stopped != nil {
				t.Fatalf("%s, at %d: %v, %v", checksum, offset, err, l.State().Stopped)
			}
		}
		must(t, l.Close())
	}
}

// A position within an event is found out in the memory of the tail too, where the
// bytes there look like the header of an event.
func TestWrongPositionInTheTailIsFoundOut(t *testing.T) {
	h := newHistory(55, replication.ChecksumCRC32)
	h.begin()
	h.transaction(100, 100)
	l := mustOpen(t, archive.Options{Dir: memDir, FS: memfs.New()})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h}.run(l))
	f := h.file()
	waitPublished(t, l, replication.Position{File: f.name, Offset: int64(len(f.bytes))})
	atTail(t, l) // for whom the tail is kept
	at := len(f.bytes)
	h.gtid()
	inner := replication.Header{Type: replication.QueryEvent, ServerID: 7, Size: 60}.Append([]byte("CREATE TABLE "))
	h.query(string(inner) + "............................................................")
	must(t, feeder{}.sendAll(l, f, at))
	l.Flush()
	waitPublished(t, l, replication.Position{File: f.name, Offset: int64(len(f.bytes))})
	wrong := int64(bytes.Index(f.bytes, inner) + len("CREATE TABLE "))
	got, err := drain(l, replication.Position{File: f.name, Offset: wrong})
	var position *archive.PositionError
	if len(got) > 0 || !errors.As(err, &position) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	must(t, l.Close())
}

// Damage is found from wherever it is read.
func TestDamageIsFoundFromTheMiddleOfAFileToo(t *testing.T) {
	h := smallHistory(54, replication.ChecksumCRC32, 2, 20)
	l, fsys := received(t, h)
	first := h.files[0]
	bad := first.starts[len(first.starts)-3]
	overwrite(t, fsys, memDir+"/"+timelineName+"/"+first.name, int64(bad)+25, []byte{first.bytes[bad+25] ^ 1})
	_, err := drain(l, replication.Position{File: first.name, Offset: int64(bad)})
	var damage *archive.DamageError
	if !errors.As(err, &damage) || damage.Offset != int64(bad) {
		t.Errorf("%v", err)
	}
	_ = l.Close()
}

// What claims to be an event without room for its checksum is a wrong position or
// damage like any other.
func TestAnEventTooShortForItsChecksumIsNone(t *testing.T) {
	h := newHistory(56, replication.ChecksumCRC32)
	h.begin()
	inner := replication.Header{Type: replication.QueryEvent, ServerID: 7, Size: replication.HeaderSize + 2}.Append(nil)
	h.gtid()
	h.query("CREATE TABLE " + string(inner) + "............................................................")
	h.transaction(100, 80)
	h.rotate()
	l, fsys := received(t, h)
	first := h.files[0]
	_, err := drain(l, replication.Position{File: first.name, Offset: int64(bytes.Index(first.bytes, inner))})
	var position *archive.PositionError
	if !errors.As(err, &position) || l.State().Stopped != nil {
		t.Fatalf("%v, %v", err, l.State().Stopped)
	}
	if position.Size != replication.HeaderSize+2 || position.Limit != int64(len(first.bytes)) {
		t.Errorf("%+v in a file of %d bytes", position, len(first.bytes))
	}
	bad := int64(first.starts[4])
	overwrite(t, fsys, memDir+"/"+timelineName+"/"+first.name, bad+9, []byte{replication.HeaderSize + 2, 0, 0, 0})
	_, err = drain(l, replication.Position{})
	var damage *archive.DamageError
	if !errors.As(err, &damage) || damage.Offset != bad {
		t.Errorf("%v", err)
	}
	_ = l.Close()
}

// A sealed file that is missing or has another length is found at the start.
func TestMissingAndShortSealedFilesAreNamedAtTheStart(t *testing.T) {
	for name, spoil := range map[string]func(*memfs.FS, string) error{
		"missing": func(fsys *memfs.FS, name string) error { return fsys.Remove(name) },
		"short": func(fsys *memfs.FS, name string) error {
			f, err := fsys.OpenFile(name, archive.ReadWrite)
			if err != nil {
				return err
			}
			return errors.Join(f.Truncate(200), f.Close())
		},
	} {
		h := smallHistory(53, replication.ChecksumCRC32, 3, 20)
		l, fsys := received(t, h)
		must(t, l.Close())
		path := memDir + "/" + timelineName + "/" + h.files[1].name
		must(t, spoil(fsys, path))
		l = mustOpen(t, memOptions(fsys))
		var damage *archive.DamageError
		if err := l.State().Stopped; !errors.As(err, &damage) || damage.File != path {
			t.Errorf("%s: %v", name, err)
		}
		got, err := drain(l, replication.Position{})
		if !errors.As(err, &damage) || !bytes.Equal(got, h.files[0].bytes[4:]) {
			t.Errorf("%s: what stands before is not served: %v", name, err)
		}
		_ = l.Close()
	}
}
