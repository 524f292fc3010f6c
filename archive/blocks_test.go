package archive_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// Where the source writes no checksums, the index is what tells damage.
func TestFlippedBitWithoutChecksumsIsNotServed(t *testing.T) {
	h := newHistory(71, replication.ChecksumNone)
	h.begin()
	for range 100 {
		h.transaction(500, 80)
	}
	h.rotate()
	h.transaction(100, 80)
	l, fsys := received(t, h)
	f := h.files[0]
	flipped := f.starts[len(f.starts)/2] + 30
	overwrite(t, fsys, memDir+"/"+timelineName+"/"+f.name, int64(flipped), []byte{f.bytes[flipped] ^ 4})
	got, err := drain(l, replication.Position{})
	var damage *archive.DamageError
	if !errors.As(err, &damage) || damage.Offset > int64(flipped) || damage.Offset < int64(flipped)-4096 {
		t.Fatalf("bit at %d: %v", flipped, err)
	}
	if !bytes.Equal(got, f.bytes[4:damage.Offset]) {
		t.Errorf("%d bytes before it were served", len(got))
	}
	if l.State().Stopped == nil {
		t.Error("the log goes on")
	}
}

// An index that is damaged or gone costs time only.
func TestReadersDoWithoutTheIndex(t *testing.T) {
	h := smallHistory(72, replication.ChecksumCRC32, 2, 60)
	l, fsys := received(t, h)
	for changed := l.Changed(); !l.Files()[0].Sealed; changed = l.Changed() { // the sealer reads the index too
		<-changed
	}
	name := memDir + "/" + timelineName + "/" + h.files[0].name + ".idx"
	overwrite(t, fsys, name, 60, []byte{0xff, 0xff})
	checkRead(t, l, h)
	must(t, fsys.Remove(name))
	checkRead(t, l, h)
	if err := l.State().Stopped; err != nil {
		t.Error(err)
	}
}

// Whoever writes a row can put an event into it. A dump that begins there is its
// client's mistake and not damage.
func TestEventWithinARowIsNoPlaceToTrust(t *testing.T) {
	h := newHistory(73, replication.ChecksumCRC32)
	h.begin()
	inner := replication.Header{Type: 30, Size: 10_000}.Append(nil)
	inner = append(inner, make([]byte, 10_000-len(inner)-4)...)
	inner = binary.LittleEndian.AppendUint32(inner, crc32.ChecksumIEEE(inner))
	h.event(30, append(bytes.Clone(inner), 1, 2, 3, 4))
	start := h.file().starts[len(h.file().starts)-1] + replication.HeaderSize
	for range 20 {
		h.transaction(3000, 1000)
	}
	l, _ := received(t, h)
	got, err := drain(l, replication.Position{File: h.file().name, Offset: int64(start)})
	var position *archive.PositionError
	if !errors.As(err, &position) || !bytes.Equal(got, inner) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := l.State().Stopped; err != nil {
		t.Errorf("the log has stopped: %v", err)
	}
}

// A file keeps the distance of its index entries, whatever those of new files are.
func TestDistanceOfIndexEntriesMayChange(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		h := smallHistory(74, checksum, 2, 40)
		fsys := memfs.New()
		opts := memOptions(fsys)
		for i, every := range []int64{8 << 10, 2 << 10, 64 << 10} {
			opts.IndexEvery = every
			l := mustOpen(t, opts)
			must(t, l.Bind(testIdentity))
			must(t, feeder{history: h, flushEvery: 3}.run(l))
			waitPublished(t, l, replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))})
			checkRead(t, l, h)
			must(t, l.Close())
			if err := l.State().Stopped; err != nil || l.Stats().IndexRebuilt > 0 {
				t.Fatalf("%v, start %d: %v, %d indexes rebuilt", checksum, i, err, l.Stats().IndexRebuilt)
			}
			h.transaction(9000, 1000)
		}
	}
}
