package bucket

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

func TestKeysOfTheBucket(t *testing.T) {
	b := newBucket(newDir(t))
	piece := PieceID{Timeline: timeline.Dir(), File: "binlog.000043", First: 4, End: 1 << 40, Epoch: 12}
	folder := "main/0001-" + exampleUUID + "/"
	for got, want := range map[string]string{
		b.FileKey(timeline, "binlog.000042"):  folder + "files/binlog.000042",
		b.IndexKey(timeline, "binlog.000042"): folder + "files/binlog.000042.idx",
		b.CatalogKey(timeline):                folder + "catalog/open",
		b.SegmentKey(timeline, 1, 1000):       folder + "catalog/0000000001-0000001000",
		b.PieceKey(piece):                     folder + "open/binlog.000043/00000000000000000004-00000001099511627776-0000000012",
	} {
		if got != want || store.CheckKey(got) != nil {
			t.Errorf("%s, expected %s", got, want)
		}
	}
	if id, ok := b.ParsePieceKey(b.PieceKey(piece)); !ok || id != piece {
		t.Errorf("%+v, %v", id, ok)
	}
}

func FuzzParsePieceKey(f *testing.F) {
	b := newBucket(newDir(f))
	key := b.PieceKey(PieceID{Timeline: timeline.Dir(), File: "binlog.000043", First: 4, End: 1 << 40, Epoch: 12})
	for _, s := range []string{key, key + "0", key[1:], "main/x/open/../00000000000000000004-00000001099511627776-0000000012"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if id, ok := b.ParsePieceKey(key); ok && (b.PieceKey(id) != key || id.Size() < 1 || id.Epoch < 1) {
			t.Fatalf("%q became %+v", key, id)
		}
	})
}

func FuzzParseSegment(f *testing.F) {
	f.Add("0000000001-0000001000")
	f.Add("open")
	b := newBucket(newDir(f))
	f.Fuzz(func(t *testing.T, name string) {
		if first, last, ok := parseSegment(name); ok && b.SegmentKey(timeline, first, last) != b.catalogFolder(timeline)+name {
			t.Fatalf("%q became %d to %d", name, first, last)
		}
	})
}

// What a piece says of itself comes back from the metadata, within every store's limits.
func TestFactsOfAPieceSurviveItsMetadata(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := PieceFacts{
			Known: true, Seq: uint64(rapid.Int64Range(1, maxInt).Draw(t, "seq")), CRC32C: rapid.Uint32().Draw(t, "crc"), Boundary: rapid.Int64Min(0).Draw(t, "boundary"),
			FirstCommit: rapid.Int64Min(0).Draw(t, "first"), LastCommit: rapid.Int64Min(0).Draw(t, "last"),
		}
		if f.HasGTIDs = rapid.Bool().Draw(t, "has"); f.HasGTIDs {
			f.GTIDs = rapid.StringOfN(rapid.RuneFrom([]rune("0123456789abcdef:,-")), 1, maxGTIDs, -1).Draw(t, "gtids")
		}
		if rapid.Bool().Draw(t, "after") {
			f.After = &After{Name: "binlog.000042", FileProof: catalog.FileProof{Size: rapid.Int64Min(0).Draw(t, "size"), CRC32C: catalog.CRC32C(rapid.Uint32().Draw(t, "sum"))}}
		}
		meta := f.meta()
		if err := store.CheckMeta(meta); err != nil {
			t.Fatal(err)
		}
		got, err := parseFacts(meta)
		if err != nil || (got.After == nil) != (f.After == nil) || got.After != nil && *got.After != *f.After {
			t.Fatalf("%+v, %v, expected %+v", got, err, f)
		}
		got.After, f.After = nil, nil
		if got != f {
			t.Fatalf("%+v, expected %+v", got, f)
		}
	})
}
