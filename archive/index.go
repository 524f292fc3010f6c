package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// An index file is a header and one record for each entry; docs/format.md has
// the byte tables.
const (
	indexMagic      = "binlogix"
	indexHeaderSize = 20
	indexEntryFixed = 8 + 1 + 4 + 8 + 8 // of the payload
	maxIndexPayload = 64 << 20
)

const indexFlagBoundary = 1

// indexEntry describes the block of a binlog file between the entry before it (or
// the file's start) and offset, where an event starts or the file ends.
type indexEntry struct {
	offset   int64
	boundary bool   // a transaction, or an event outside of any, starts at offset
	block    uint32 // CRC32C of the block's bytes
	times    timeSpan
	gtids    *replication.GTIDSet // of the transactions that ended in the block
}

func appendIndexHeader(dst []byte, every int64) []byte {
	start := len(dst)
	dst = append(dst, indexMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, catalog.Version)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(every))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func (e indexEntry) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.offset))
	var flags byte
	if e.boundary {
		flags = indexFlagBoundary
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint32(dst, e.block)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.times.first))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.times.last))
	dst = append(dst, e.gtids.String()...)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// storedEvery reads from an index file how many bytes it has between two entries.
func storedEvery(f io.ReaderAt) (every int64, ok bool) {
	var header [indexHeaderSize]byte
	if n, _ := f.ReadAt(header[:], 0); n < len(header) {
		return 0, false
	}
	_, every, _, err := decodeIndex(header[:])
	return every, err == nil && every > 0
}

var errIndexHeader = errors.New("no valid index header")

// decodeIndex reads an index file. It returns the entries of the longest valid
// prefix and how many bytes that is; a torn or damaged record ends it with an
// error. every is the block size the header names.
func decodeIndex(b []byte) (entries []indexEntry, every int64, valid int, err error) {
	if len(b) < indexHeaderSize || string(b[:8]) != indexMagic ||
		crc32.Checksum(b[:16], castagnoli) != binary.LittleEndian.Uint32(b[16:]) {
		return nil, 0, 0, errIndexHeader
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != catalog.Version {
		return nil, 0, 0, &FormatError{Version: int(v)}
	}
	every = int64(binary.LittleEndian.Uint32(b[12:]))
	valid = indexHeaderSize
	for valid < len(b) {
		e, n, err := decodeIndexEntry(b[valid:])
		if err == nil && len(entries) > 0 && e.offset <= entries[len(entries)-1].offset {
			err = fmt.Errorf("entry for offset %d behind that for %d", e.offset, entries[len(entries)-1].offset)
		}
		if err != nil {
			return entries, every, valid, err
		}
		entries = append(entries, e)
		valid += n
	}
	return entries, every, valid, nil
}

func decodeIndexEntry(b []byte) (indexEntry, int, error) {
	if len(b) < 4 {
		return indexEntry{}, 0, fmt.Errorf("record of %d bytes", len(b))
	}
	size := int(binary.LittleEndian.Uint32(b))
	if size < indexEntryFixed || size > maxIndexPayload || len(b)-8 < size {
		return indexEntry{}, 0, fmt.Errorf("record claims %d bytes of %d", size, len(b))
	}
	if crc32.Checksum(b[:4+size], castagnoli) != binary.LittleEndian.Uint32(b[4+size:]) {
		return indexEntry{}, 0, errors.New("wrong checksum")
	}
	p := b[4 : 4+size]
	gtids, err := replication.ParseGTIDSet(string(p[indexEntryFixed:]))
	if err != nil {
		return indexEntry{}, 0, err
	}
	if gtids.String() != string(p[indexEntryFixed:]) {
		return indexEntry{}, 0, errors.New("GTIDs not as they are printed")
	}
	e := indexEntry{
		offset:   int64(binary.LittleEndian.Uint64(p)),
		boundary: p[8] == indexFlagBoundary,
		block:    binary.LittleEndian.Uint32(p[9:]),
		times:    timeSpan{int64(binary.LittleEndian.Uint64(p[13:])), int64(binary.LittleEndian.Uint64(p[21:]))},
		gtids:    gtids,
	}
	if e.offset < 0 || p[8]&^indexFlagBoundary != 0 {
		return indexEntry{}, 0, errors.New("impossible values")
	}
	return e, 8 + size, nil
}
