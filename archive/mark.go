package archive

import (
	"encoding/binary"
	"hash/crc32"
	"path"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// mark is what MARK records: everything before (file, offset) was fsynced.
type mark struct {
	sequence uint64 // of the mark; 0 = none was written yet
	timeline uint32
	fileSeq  uint64
	file     string
	offset   int64
	block    int64  // where the block begins that offset lies in: the last index entry, or 0
	blockCRC uint32 // CRC32C of [block, offset)
}

// MARK has two slots of one disk sector each, written in turn, so that a torn
// write leaves the other. docs/format.md has the byte table.
const (
	markMagic    = "binlogmk"
	markSlotSize = 512
	markFixed    = 8 + 4 + 8 + 4 + 8 + 8 + 8 + 4 + 2
)

// slot gives the mark's 512 bytes.
func (m mark) slot() []byte {
	b := make([]byte, 0, markSlotSize)
	b = append(b, markMagic...)
	b = binary.LittleEndian.AppendUint32(b, catalog.Version)
	b = binary.LittleEndian.AppendUint64(b, m.sequence)
	b = binary.LittleEndian.AppendUint32(b, m.timeline)
	b = binary.LittleEndian.AppendUint64(b, m.fileSeq)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.block))
	b = binary.LittleEndian.AppendUint32(b, m.blockCRC)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(m.file)))
	b = append(b, m.file...)
	b = b[:markSlotSize-4]
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// slotOffset is where the slot stands in MARK.
func (m mark) slotOffset() int64 { return int64(m.sequence%2) * markSlotSize }

// decodeMark reads one slot. ok is false for anything but what slot gives.
func decodeMark(b []byte) (m mark, ok bool, err error) {
	if len(b) != markSlotSize || string(b[:8]) != markMagic ||
		crc32.Checksum(b[:markSlotSize-4], castagnoli) != binary.LittleEndian.Uint32(b[markSlotSize-4:]) {
		return mark{}, false, nil
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != catalog.Version {
		return mark{}, false, &FormatError{Version: int(v)}
	}
	m = mark{
		sequence: binary.LittleEndian.Uint64(b[12:]),
		timeline: binary.LittleEndian.Uint32(b[20:]),
		fileSeq:  binary.LittleEndian.Uint64(b[24:]),
		offset:   int64(binary.LittleEndian.Uint64(b[32:])),
		block:    int64(binary.LittleEndian.Uint64(b[40:])),
		blockCRC: binary.LittleEndian.Uint32(b[48:]),
	}
	n := int(binary.LittleEndian.Uint16(b[52:]))
	if n > markSlotSize-4-markFixed {
		return mark{}, false, nil
	}
	m.file = string(b[markFixed : markFixed+n])
	ok = m.sequence > 0 && m.offset >= replication.FirstEventOffset && m.block >= 0 && m.block <= m.offset &&
		replication.ValidFileName(m.file) == nil && allZero(b[markFixed+n:markSlotSize-4])
	return m, ok, nil
}

// decodeMarkFile reads MARK: the newest valid slot, and whether a slot holds
// something that is not a mark. Sectors are written whole, so that is damage; it
// only matters where the older mark is not enough.
func decodeMarkFile(b []byte) (newest mark, damaged bool, err error) {
	for i := range 2 {
		slot := b[min(len(b), i*markSlotSize):min(len(b), (i+1)*markSlotSize)]
		m, ok, err := decodeMark(slot)
		if err != nil {
			return mark{}, false, err
		}
		switch {
		case !ok:
			damaged = damaged || !allZero(slot)
		case m.sequence%2 != uint64(i):
			damaged = true
		case m.sequence > newest.sequence:
			newest = m
		}
	}
	return newest, damaged, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// markFile is the open MARK and what was last written to it. The committer owns it.
type markFile struct {
	file Handle
	last mark

	failures int // fsyncs that failed in a row
}

func markPath(dir string) string { return path.Join(dir, "MARK") }
