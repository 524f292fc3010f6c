package archive_test

import (
	"bytes"
	"testing"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// Whatever stands behind the mark, recovery changes nothing before it, keeps a
// beginning of the rest, shows no less than before, and finds the same when it is run
// again. Of a file without checksums it keeps nothing behind the mark.
func FuzzRecoverTail(f *testing.F) {
	logs := map[bool]*memfs.FS{}
	files := map[bool]*binlogFile{}
	for _, sums := range []bool{false, true} {
		checksum := replication.ChecksumNone
		if sums {
			checksum = replication.ChecksumCRC32
		}
		h := smallHistory(5, checksum, 1, 12)
		whole := h.file()
		start := whole.starts[len(whole.starts)-9]
		_, boundary := lastEnds(whole, int64(start))
		held := *h
		files[sums] = &binlogFile{name: whole.name, bytes: whole.bytes[:boundary], starts: startsBefore(whole.starts, int(boundary))}
		held.files = []*binlogFile{files[sums]}
		logs[sums], _ = markedLog(f, &held)
		rest := whole.bytes[boundary:]
		f.Add(rest, sums)
		f.Add(rest[:len(rest)-3], sums)
		f.Add(append(bytes.Clone(rest[:60]), make([]byte, 600)...), sums)
	}
	f.Fuzz(func(t *testing.T, tail []byte, sums bool) {
		fsys, held := logs[sums].Clone(), files[sums]
		name := memDir + "/" + timelineName + "/" + held.name
		must(t, fsys.Edit(name, func(b []byte) []byte { return append(b, tail...) }))
		var kept []byte
		for i := range 2 {
			l := mustOpen(t, memOptions(fsys))
			state := l.State()
			if state.Stopped != nil || state.Published.Offset < int64(len(held.bytes)) {
				t.Fatalf("open %d: %+v", i, state)
			}
			must(t, l.Close())
			now, err := fsys.ReadFile(name)
			must(t, err)
			if !bytes.HasPrefix(now, held.bytes) || !bytes.HasPrefix(tail, now[len(held.bytes):]) {
				t.Fatalf("open %d: other bytes than were there", i)
			}
			if !sums && len(now) > len(held.bytes) {
				t.Fatalf("%d bytes are kept that nothing proves", len(now)-len(held.bytes))
			}
			if i > 0 && !bytes.Equal(now, kept) {
				t.Fatalf("%d bytes, opened again %d", len(kept), len(now))
			}
			kept = now
		}
	})
}

func startsBefore(starts []int, end int) []int {
	n := 0
	for n < len(starts) && starts[n] < end {
		n++
	}
	return starts[:n]
}
