package bucket

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Keys, relative to the store. A timeline's folder is catalog.Timeline.Dir.
//
//	<source>/source.json
//	<source>/lease.json
//	<source>/<timeline>/catalog/open
//	<source>/<timeline>/catalog/<first>-<last>
//	<source>/<timeline>/files/<file>
//	<source>/<timeline>/files/<file>.idx
//	<source>/<timeline>/open/<file>/<first>-<end>-<epoch>

// SourceKey is the key of source.json.
func (b *Bucket) SourceKey() string { return b.source + "/source.json" }

// LeaseKey is the key of lease.json.
func (b *Bucket) LeaseKey() string { return b.source + "/lease.json" }

func (b *Bucket) folder(t catalog.Timeline) string        { return b.source + "/" + t.Dir() + "/" }
func (b *Bucket) catalogFolder(t catalog.Timeline) string { return b.folder(t) + "catalog/" }
func (b *Bucket) openFolder(t catalog.Timeline) string    { return b.folder(t) + "open/" }

// FileKey is the key of a sealed file.
func (b *Bucket) FileKey(t catalog.Timeline, file string) string {
	return b.folder(t) + "files/" + file
}

// IndexKey is the key of a sealed file's index.
func (b *Bucket) IndexKey(t catalog.Timeline, file string) string {
	return b.FileKey(t, file) + ".idx"
}

// ParseFileKey is the inverse of FileKey and IndexKey. It is false for any other key.
func (b *Bucket) ParseFileKey(key string) (timeline, file string, index, ok bool) {
	rest, mine := strings.CutPrefix(key, b.source+"/")
	elements := strings.Split(rest, "/")
	if !mine || len(elements) != 3 || elements[1] != "files" {
		return "", "", false, false
	}
	file, index = strings.CutSuffix(elements[2], ".idx")
	return elements[0], file, index, elements[0] != "" && replication.ValidFileName(file) == nil
}

// InCatalog says whether a key is that of a part of a timeline's catalog.
func (b *Bucket) InCatalog(t catalog.Timeline, key string) bool {
	name, there := strings.CutPrefix(key, b.catalogFolder(t))
	_, _, segment := parseSegment(name)
	return there && (segment || name == "open")
}

// CatalogKey is the key of the manifests since the last segment.
func (b *Bucket) CatalogKey(t catalog.Timeline) string { return b.catalogFolder(t) + "open" }

// SegmentKey is the key of a full part of the catalog, named after the sequence
// numbers of its first and its last manifest.
func (b *Bucket) SegmentKey(t catalog.Timeline, first, last uint64) string {
	return fmt.Sprintf("%s%010d-%010d", b.catalogFolder(t), first, last)
}

// parseSegment is the inverse of the last element of SegmentKey.
func parseSegment(name string) (first, last uint64, ok bool) {
	a, z, found := strings.Cut(name, "-")
	first, okFirst := parseNumber(a, 10)
	last, okLast := parseNumber(z, 10)
	return first, last, found && okFirst && okLast && first >= 1 && last >= first
}

// PieceID is what the key of a piece says.
type PieceID struct {
	Timeline string // its folder, see catalog.Timeline.Dir
	File     string
	First    int64 // offset in the file
	End      int64 // behind its last byte
	Epoch    uint64
}

// Size is that of the piece's object.
func (id PieceID) Size() int64 { return id.End - id.First }

// Limits of numbers in keys: what their digits can hold.
const (
	maxEpoch = 9_999_999_999
	maxInt   = 1<<63 - 1
)

func (id PieceID) valid() bool {
	return id.First >= 0 && id.End > id.First && id.Epoch >= 1 && id.Epoch <= maxEpoch && replication.ValidFileName(id.File) == nil &&
		id.Timeline != "" && !strings.Contains(id.Timeline, "/")
}

// PieceKey is the key of a piece.
func (b *Bucket) PieceKey(id PieceID) string {
	return fmt.Sprintf("%s/%s/open/%s/%020d-%020d-%010d", b.source, id.Timeline, id.File, id.First, id.End, id.Epoch)
}

// ParsePieceKey is the inverse of PieceKey. It is false for any other key.
func (b *Bucket) ParsePieceKey(key string) (PieceID, bool) {
	rest, mine := strings.CutPrefix(key, b.source+"/")
	elements := strings.Split(rest, "/")
	if !mine || len(elements) != 4 || elements[1] != "open" {
		return PieceID{}, false
	}
	numbers := strings.Split(elements[3], "-")
	if len(numbers) != 3 {
		return PieceID{}, false
	}
	first, okFirst := parseNumber(numbers[0], 20)
	end, okEnd := parseNumber(numbers[1], 20)
	epoch, okEpoch := parseNumber(numbers[2], 10)
	if !okFirst || !okEnd || !okEpoch || first > maxInt || end > maxInt {
		return PieceID{}, false
	}
	id := PieceID{Timeline: elements[0], File: elements[2], First: int64(first), End: int64(end), Epoch: epoch}
	return id, id.valid()
}

// parseNumber reads exactly so many digits.
func parseNumber(s string, digits int) (uint64, bool) {
	if len(s) != digits || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
