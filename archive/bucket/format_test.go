package bucket

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

var (
	exampleBefore = exampleUUID + ":1-5"
	exampleList   = catalog.List{Timeline: 1, First: 1001, Epoch: 3, Manifests: []catalog.Manifest{{
		Seq: 1001, Epoch: 2, Name: "binlog.001042", Size: 5_000_000, CRC32C: 0x0badcafe, SHA256: strings.Repeat("5a", 32),
		GTIDsBefore: &exampleBefore, GTIDsAdded: exampleUUID + ":6-900", FirstCommit: 1_700_000_000_000_000,
		LastCommit: 1_700_000_001_500_000, Transactions: 895, ServerVersion: "9.7.0", Checksum: "CRC32",
		IndexSize: 512, IndexCRC32C: 0x00c0ffee, ETag: "9b2cf535f27731c974343645a3985328-3",
	}}}
	exampleLease = leaseDoc{
		Format: 1, Epoch: 3, Writer: "6ccd780c-baba-1026-9564-5b8c656024db", Name: "db-archive-1, process 4711", Counter: 17, TTL: 30_000,
		Began: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), Renewed: time.Date(2026, 11, 30, 12, 2, 50, 0, time.UTC),
	}
	exampleFacts = PieceFacts{
		Known: true, Seq: 1002, CRC32C: 0xdeadbeef, Boundary: 8_388_600, FirstCommit: 1_700_000_002_000_000, LastCommit: 1_700_000_003_000_000,
		GTIDs: exampleUUID + ":901-950", HasGTIDs: true,
		After: &After{Name: "binlog.001042", FileProof: catalog.FileProof{Size: 5_000_000, CRC32C: 0x0badcafe}},
	}
	exampleEpochs = catalog.Source{
		Format: 1, Epoch: 3, Timelines: []catalog.Timeline{timeline},
		Epochs: []catalog.Epoch{
			{Number: 2, Writer: "db-archive-1, process 4000", Began: "2026-11-20T08:00:00Z"},
			{Number: 3, Timeline: 1, Seq: 1002, File: "binlog.001043", Offset: 4_194_304, Writer: exampleLease.Name, Began: "2026-11-30T12:00:01Z"},
		},
	}
)

// docs/format.md shows, byte for byte, what this program writes.
func TestFormatDocumentIsTrue(t *testing.T) {
	doc, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	var meta []string
	facts := exampleFacts.meta()
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		meta = append(meta, fmt.Sprintf("%s: %s", name, facts[name]))
	}
	for name, want := range map[string]string{
		"catalog/open":        string(must[[]byte](t)(exampleList.Encode())),
		"lease.json":          string(must[[]byte](t)(exampleLease.encode())),
		"source.json":         string(must[[]byte](t)(exampleEpochs.Encode())),
		"metadata of a piece": strings.Join(meta, "\n"),
	} {
		if !bytes.Contains(doc, []byte("```\n"+strings.TrimRight(want, "\n")+"\n```")) {
			t.Errorf("docs/format.md does not show this %s:\n%s", name, want)
		}
	}
}

// flip gives b with one bit changed; which one comes from the fuzzer.
func flip(b []byte, bit uint) []byte {
	out := bytes.Clone(b)
	if len(out) > 0 {
		out[bit/8%uint(len(out))] ^= 1 << (bit % 8)
	}
	return out
}

func FuzzDecodeList(f *testing.F) {
	b, err := exampleList.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, uint(300))
	f.Add(b[:len(b)-20], uint(3))
	f.Add(b[:bytes.IndexByte(b, '\n')+1], uint(3))
	f.Fuzz(func(t *testing.T, b []byte, bit uint) {
		list, err := catalog.DecodeList(b)
		if err != nil {
			return
		}
		if again, err := list.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("other bytes, %v", err)
		}
		for i, m := range list.Manifests {
			if m.Seq != list.First+uint64(i) {
				t.Fatalf("manifest %d in place %d", m.Seq, i)
			}
		}
		if _, err := catalog.DecodeList(flip(b, bit)); err == nil {
			t.Fatal("a flipped bit was accepted")
		}
		for end := range b {
			if _, err := catalog.DecodeList(b[:end]); err == nil {
				t.Fatalf("the first %d bytes were accepted", end)
			}
		}
	})
}

func FuzzDecodeLease(f *testing.F) {
	b, err := exampleLease.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeLease(b)
		if err != nil {
			return
		}
		if again, err := d.encode(); err != nil || !bytes.Equal(again, b) || d.ttl() > maxTTL || d.ttl() <= 0 {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}
