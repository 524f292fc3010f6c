package fakesource

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/binlogproxy/binlogproxy/replication"
)

// File is a binlog file, from its magic number on.
type File struct {
	Name  string
	Bytes []byte

	// Repeat is how many times more the last event of Bytes follows, and Tail what
	// comes behind that: so that a file may have a size that no memory holds.
	Repeat int64
	Tail   []byte
}

// Size is where the file ends.
func (f File) Size() int64 {
	return f.repeated() + int64(len(f.Tail))
}

// repeated is where the repetitions end.
func (f File) repeated() int64 {
	if f.Repeat == 0 {
		return int64(len(f.Bytes))
	}
	return int64(len(f.Bytes)) + f.Repeat*int64(len(f.Bytes)-f.last())
}

// at returns the bytes from an offset on, at least to the end of the event there.
func (f File) at(offset int64) []byte {
	if offset < int64(len(f.Bytes)) {
		return f.Bytes[offset:]
	}
	if end := f.repeated(); offset >= end {
		return f.Tail[offset-end:]
	}
	last := int64(f.last())
	return f.Bytes[last+(offset-last)%(int64(len(f.Bytes))-last):]
}

// last is where the last event begins.
func (f File) last() int {
	offsets := f.Offsets()
	return int(offsets[len(offsets)-2])
}

//go:embed testdata
var recorded embed.FS

// RecordedUUID is the server_uuid of the server that wrote the Recorded files,
// and RecordedServerID its server_id.
const (
	RecordedUUID     = "b28623b7-e66c-11f1-b304-0242ac110002"
	RecordedServerID = 71
)

// Recorded returns files that a MySQL 9.7.4 wrote, the oldest first: DDL, row
// events, a savepoint, rotations, one file (the fourth) without checksums, and
// at the end one that was still open. They are copies, free to be changed.
func Recorded() []File {
	entries, err := fs.ReadDir(recorded, "testdata")
	if err != nil {
		panic(err) // they are part of the program
	}
	var files []File
	for _, e := range entries {
		b, err := recorded.ReadFile("testdata/" + e.Name())
		if err != nil {
			panic(err)
		}
		files = append(files, File{Name: e.Name(), Bytes: b})
	}
	return files
}

// AsSent returns the file's bytes as a source sends them: without the in-use
// bit of its FORMAT_DESCRIPTION. What a replica keeps must be equal to it.
func (f File) AsSent() []byte {
	b := append([]byte(nil), f.Bytes...)
	if len(b) > 22 {
		b[21] &^= byte(replication.FlagInUse)
	}
	return b
}

// Offsets returns where the file's events begin, and at last where it ends. It
// panics on bytes that are not a binlog file's.
func (f File) Offsets() []int64 {
	at := replication.FirstEventOffset
	offsets := []int64{at}
	for at < int64(len(f.Bytes)) {
		h, err := replication.ParseHeader(f.Bytes[at:])
		if err != nil {
			panic(fmt.Sprintf("%s at %d: %v", f.Name, at, err))
		}
		at += int64(h.Size)
		offsets = append(offsets, at)
	}
	return offsets
}

// Synthetic returns a file with events of a given size behind the beginning of a
// recorded one, for benchmarks and for events larger than a buffer. Their type is
// USER_VAR's, which nothing looks into; their end positions and checksums are right.
func Synthetic(name string, sizes ...int) File {
	first := Recorded()[0]
	b := first.Bytes[:first.Offsets()[2]:first.Offsets()[2]] // FORMAT_DESCRIPTION, PREVIOUS_GTIDS
	for i, size := range sizes {
		b = AppendEvent(b, size, byte(i))
	}
	return File{Name: name, Bytes: b}
}

// AppendEvent appends to a file's bytes an event of size bytes, at least 24,
// filled with fill and ended by its CRC32.
func AppendEvent(file []byte, size int, fill byte) []byte {
	const userVar = 14
	start := len(file)
	h := replication.Header{Timestamp: 1, Type: userVar, ServerID: RecordedServerID, Size: uint32(size), LogPos: uint32(start + size)}
	file = h.Append(file)
	for len(file)-start < size-4 {
		file = append(file, fill)
	}
	return appendCRC(file, start)
}

// AppendRotate appends the ROTATE that ends a file.
func AppendRotate(file []byte, next string) []byte {
	start := len(file)
	size := replication.HeaderSize + 8 + len(next) + 4
	h := replication.Header{Timestamp: 1, Type: replication.RotateEvent, ServerID: RecordedServerID, Size: uint32(size), LogPos: uint32(start + size)}
	file = h.Append(file)
	file = append(file, byte(replication.FirstEventOffset), 0, 0, 0, 0, 0, 0, 0)
	file = append(file, next...)
	return appendCRC(file, start)
}

// WithPreviousGTIDs returns a file without transactions whose PREVIOUS_GTIDS
// holds set.
func WithPreviousGTIDs(name string, set *replication.GTIDSet) File {
	first := Recorded()[0]
	b := first.Bytes[:first.Offsets()[1]:first.Offsets()[1]]
	start := len(b)
	body := set.AppendWire(nil)
	size := replication.HeaderSize + len(body) + 4
	h := replication.Header{Timestamp: 1, Type: replication.PreviousGTIDsEvent, ServerID: RecordedServerID, Size: uint32(size), LogPos: uint32(start + size)}
	b = append(h.Append(b), body...)
	return File{Name: name, Bytes: appendCRC(b, start)}
}
