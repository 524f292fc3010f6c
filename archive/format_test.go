package archive

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

func mustSet(t testing.TB, text string) *replication.GTIDSet {
	t.Helper()
	set, err := replication.ParseGTIDSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const exampleUUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"

// The examples that docs/format.md shows.
var (
	exampleMark  = mark{sequence: 41, timeline: 1, fileSeq: 42, file: "binlog.000042", offset: 5_000_000, block: 4_194_500, blockCRC: 0xdeadbeef}
	exampleEntry = func(t testing.TB) indexEntry {
		return indexEntry{offset: 1_048_700, boundary: true, block: 0x01020304,
			times: timeSpan{1_700_000_000_000_000, 1_700_000_001_500_000}, gtids: mustSet(t, exampleUUID+":1-5")}
	}
	exampleBefore  = exampleUUID + ":1-5"
	exampleRecords = []catalog.Record{
		{Begin: &catalog.Begin{Seq: 1, Epoch: 1, Name: "binlog.000042"}},
		{Begin: &catalog.Begin{Seq: 2, Epoch: 1, Name: "binlog.000043", After: &catalog.FileProof{Size: 5_000_000, CRC32C: 0x0badcafe}}},
		{Sealed: &catalog.Manifest{
			Seq: 1, Epoch: 1, Name: "binlog.000042", Size: 5_000_000, CRC32C: 0x0badcafe, SHA256: strings.Repeat("5a", 32),
			GTIDsBefore: &exampleBefore, GTIDsAdded: exampleUUID + ":6-900", FirstCommit: 1_700_000_000_000_000,
			LastCommit: 1_700_000_001_500_000, Transactions: 895, ServerVersion: "9.7.0", Checksum: "CRC32",
			IndexSize: 512, IndexCRC32C: 0x00c0ffee, Cut: &Cut{Offset: 4_999_000, Reason: "purged by the source"},
		}},
	}
	exampleMissing, _ = replication.ParseGTIDSet(exampleUUID + ":901-950")
	exampleSource     = catalog.Source{
		Format: 1, Epoch: 1,
		Timelines: []catalog.Timeline{{Number: 1, ID: exampleUUID, Flavor: "mysql", ServerUUID: exampleUUID, ServerID: 7}},
		Gaps: []catalog.Gap{{Timeline: 1, Seq: 1, From: replication.Position{File: "binlog.000042", Offset: 4_999_000}, Size: 5_000_000, Next: "binlog.000044",
			Missing: exampleMissing, Reason: "purged by the source", Detected: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}},
	}
)

var exampleRestoring = restoring{
	Format: 1, Timeline: "0001-3e11fa47-71ca-11e1-9e33-c80aa9429562", Files: []string{"binlog.000043"}, Seq: 43, End: 5_000_000,
}

func encodeRecords(t testing.TB, records []catalog.Record) []byte {
	t.Helper()
	var b []byte
	for _, r := range records {
		var err error
		if b, err = r.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func encodeSource(t testing.TB, d catalog.Source) []byte {
	t.Helper()
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encodeExample(t testing.TB, r restoring) string {
	t.Helper()
	b, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// docs/format.md shows, byte for byte, what this program writes.
func TestFormatDocumentIsTrue(t *testing.T) {
	doc, err := os.ReadFile("../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	slot := exampleMark.slot()
	for name, want := range map[string]string{
		"MARK":         hexLines(slot[:80]) + fmt.Sprintf("\n* zeros to 508\n%s", hexLines(slot[508:])),
		"index header": hexLines(appendIndexHeader(nil, 1<<20)),
		"index entry":  hexLines(exampleEntry(t).append(nil)),
		"catalog":      string(encodeRecords(t, exampleRecords)),
		"source.json":  string(encodeSource(t, exampleSource)),
		"RESTORING":    encodeExample(t, exampleRestoring),
	} {
		if !bytes.Contains(doc, []byte("```\n"+strings.TrimRight(want, "\n")+"\n```")) {
			t.Errorf("docs/format.md does not show this %s:\n%s", name, want)
		}
	}
}

func hexLines(b []byte) string {
	var lines []string
	for len(b) > 0 {
		n := min(16, len(b))
		lines = append(lines, hex.EncodeToString(b[:n]))
		b = b[n:]
	}
	return strings.Join(lines, "\n")
}

// A later version's files are refused by name, not taken for damage.
func TestLaterFormatIsNamed(t *testing.T) {
	later := exampleSource
	later.Format = 2
	_, err := catalog.DecodeSource(encodeSource(t, later))
	if newer, ok := err.(*FormatError); !ok || newer.Version != 2 {
		t.Errorf("source.json: %v", err)
	}
	line := []byte(`{"v":2,"something":"else"}`)
	line = fmt.Appendf(nil, "%s %s\n", catalog.CRC32C(crcOf(line)), line)
	if _, _, err := catalog.DecodeRecords(line); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("catalog: %v", err)
	}
}

func crcOf(b []byte) uint32 {
	var s sums
	s.write(b)
	return s.file()
}

// flip gives b with one bit changed; which one comes from the fuzzer.
func flip(b []byte, bit uint) []byte {
	out := bytes.Clone(b)
	if len(out) > 0 {
		out[bit/8%uint(len(out))] ^= 1 << (bit % 8)
	}
	return out
}

func FuzzDecodeRestoring(f *testing.F) {
	b, err := exampleRestoring.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(flip(b, 200))
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRestoring(b)
		if err != nil {
			return
		}
		if again, err := r.encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q became %q (%v)", b, again, err)
		}
	})
}

func FuzzDecodeMark(f *testing.F) {
	f.Add(exampleMark.slot(), uint(3))
	f.Add(append(make([]byte, 512), exampleMark.slot()...), uint(700))
	f.Fuzz(func(t *testing.T, b []byte, bit uint) {
		if m, _, err := decodeMarkFile(b); err == nil && m.sequence > 0 && !bytes.Contains(b, m.slot()) {
			t.Fatalf("%+v is not in the file", m)
		}
		m, ok, err := decodeMark(b)
		if err != nil || !ok {
			return
		}
		if !bytes.Equal(m.slot(), b) {
			t.Fatal("other bytes")
		}
		if _, ok, _ := decodeMark(flip(b, bit)); ok {
			t.Fatal("a flipped bit was accepted")
		}
	})
}

func FuzzDecodeIndex(f *testing.F) {
	entry := exampleEntry(f)
	b := entry.append(appendIndexHeader(nil, 1<<20))
	entry.offset *= 2
	f.Add(entry.append(b), uint(300))
	f.Add(b[:40], uint(3))
	f.Fuzz(func(t *testing.T, b []byte, bit uint) {
		entries, every, valid, err := decodeIndex(b)
		if (err == nil) != (valid == len(b)) && valid > 0 {
			t.Fatalf("%d of %d bytes, %v", valid, len(b), err)
		}
		if valid == 0 {
			return
		}
		again := appendIndexHeader(nil, every)
		for _, e := range entries {
			again = e.append(again)
		}
		if !bytes.Equal(again, b[:valid]) {
			t.Fatal("the valid prefix is not what it says")
		}
		if flipped, _, n, err := decodeIndex(flip(b[:valid], bit)); err == nil && n == valid {
			t.Fatalf("a flipped bit was accepted: %v", flipped)
		}
	})
}

func FuzzDecodeCatalog(f *testing.F) {
	b := encodeRecords(f, exampleRecords)
	f.Add(b, uint(300))
	f.Add(b[:len(b)-20], uint(3))
	f.Add(append(b[:len(b):len(b)], 0, 0, 0), uint(3))
	f.Fuzz(func(t *testing.T, b []byte, bit uint) {
		records, valid, err := catalog.DecodeRecords(b)
		if err == nil && bytes.Count(b[valid:], []byte{'\n'}) > 1 {
			t.Fatal("more than a line was taken for torn")
		}
		again, n, err := catalog.DecodeRecords(b[:valid])
		if err != nil || n != valid || !bytes.Equal(encodeRecords(t, again), encodeRecords(t, records)) {
			t.Fatalf("the valid prefix is not stable: %d of %d, %v", n, valid, err)
		}
		if _, n, _ := catalog.DecodeRecords(flip(b[:valid], bit)); valid > 0 && n == valid {
			t.Fatal("a flipped bit was accepted")
		}
		_, _, _ = listFiles(records)
	})
}

func FuzzDecodeSource(f *testing.F) {
	f.Add(encodeSource(f, exampleSource), uint(900))
	f.Fuzz(func(t *testing.T, b []byte, bit uint) {
		d, err := catalog.DecodeSource(b)
		if err != nil {
			return
		}
		if !bytes.Equal(encodeSource(t, d), b) {
			t.Fatal("other bytes")
		}
		if _, err := catalog.DecodeSource(flip(b, bit)); err == nil {
			t.Fatal("a flipped bit was accepted")
		}
	})
}
