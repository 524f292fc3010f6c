package archive

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// blocks are the ones that come next in the file that a reader reads, as the index
// describes them. One sum over a whole block costs a small part of what the sums of
// its events cost, and proves the same bytes.
type blocks struct {
	start int64   // of the first of next
	next  []block // in order
	read  int64   // how far the index file was read
	again int64   // the index has nothing more for now: not asked before this offset
}

type block struct {
	end int64
	sum uint32
}

// nextBlock gives the whole block that begins where the reader stands, if the index
// knows it and the bytes match its sum. Without one, short says how far to read by
// events so that a block begins behind them, or is limit.
func (r *Reader) nextBlock(limit int64) (data []byte, short int64, err error) {
	at, b := r.chunks.offset, &r.blocks
	for len(b.next) > 0 && b.next[0].end <= at {
		b.start, b.next = b.next[0].end, b.next[1:]
	}
	if len(b.next) == 0 && at >= b.again && limit-at >= r.archive.opts.IndexEvery {
		r.loadBlocks()
	}
	if len(b.next) == 0 || b.next[0].end > limit {
		return nil, limit, nil
	}
	next := b.next[0]
	first := b.start == 0 && at == replication.FirstEventOffset
	if at != b.start && !first {
		return nil, next.end, nil
	}
	r.proof.trusted = true
	size := next.end - at
	if size > int64(len(r.chunks.buf)) {
		return nil, next.end, nil
	}
	if data, err = r.chunks.read(size); err != nil {
		return nil, limit, err
	}
	sum := uint32(0)
	if first {
		sum = crc32.Update(sum, castagnoli, replication.FileMagic[:])
	}
	if sum = crc32.Update(sum, castagnoli, data); sum != next.sum {
		return nil, next.end, r.badBlock(next, sum)
	}
	r.chunks.offset = next.end
	return data, limit, nil
}

// badBlock weighs a block that does not match its sum. Where events have checksums,
// these decide, and name the event.
func (r *Reader) badBlock(b block, found uint32) error {
	if r.proof.checksum == replication.ChecksumCRC32 {
		return nil
	}
	return r.damaged(r.chunks.offset, fmt.Sprintf("CRC32C %s of the bytes up to %d", catalog.CRC32C(b.sum), b.end), catalog.CRC32C(found).String())
}

// loadBlocks reads on in the index file, in the reader's own buffer. What cannot be
// read of it proves nothing, and the events' own checksums do.
func (r *Reader) loadBlocks() {
	b := &r.blocks
	b.again = r.chunks.offset + r.archive.opts.IndexEvery
	f, err := r.archive.openIndex(r.file)
	if err != nil {
		return
	}
	defer f.Close()
	b.read = max(b.read, indexHeaderSize)
	for {
		n, _ := f.ReadAt(r.chunks.buf, b.read)
		used := b.take(r.chunks.buf[:n], r.chunks.offset)
		b.read += int64(used)
		if used == 0 || len(b.next) > 0 {
			return
		}
	}
}

// take reads the whole records at the start of p, and keeps the blocks that end
// behind offset.
func (b *blocks) take(p []byte, offset int64) (used int) {
	b.next = b.next[:0]
	for {
		end, sum, size := indexBlock(p[used:])
		if size == 0 {
			return used
		}
		if end <= offset {
			b.start = end
		} else {
			b.next = append(b.next, block{end, sum})
		}
		used += size
	}
}

// indexBlock reads of an index record only what proves its block. size is 0 where
// there is no whole valid record.
func indexBlock(p []byte) (end int64, sum uint32, size int) {
	if len(p) < 4 {
		return 0, 0, 0
	}
	n := int(binary.LittleEndian.Uint32(p))
	if n < indexEntryFixed || n > maxIndexPayload || len(p)-8 < n ||
		crc32.Checksum(p[:4+n], castagnoli) != binary.LittleEndian.Uint32(p[4+n:]) {
		return 0, 0, 0
	}
	return int64(binary.LittleEndian.Uint64(p[4:])), binary.LittleEndian.Uint32(p[13:]), 8 + n
}

// indexRecord is what a record of an index says, its GTIDs as they are printed.
type indexRecord struct {
	end      int64
	boundary bool
	times    timeSpan
	gtids    []byte
}

// indexRecords gives what reads well of a file's index; nothing where there is none.
func (a *Archive) indexRecords(f File) (records []indexRecord) {
	if f.pieces != nil {
		return pieceRecords(f.pieces)
	}
	b := a.readIndex(f)
	for b = b[min(len(b), indexHeaderSize):]; ; {
		end, _, size := indexBlock(b)
		if size == 0 {
			return records
		}
		records = append(records, indexRecord{
			end: end, boundary: b[12] == indexFlagBoundary, gtids: b[4+indexEntryFixed : size-4],
			times: timeSpan{int64(binary.LittleEndian.Uint64(b[17:])), int64(binary.LittleEndian.Uint64(b[25:]))},
		})
		b = b[size:]
	}
}

// readIndex reads a file's index at once, where its size is known.
func (a *Archive) readIndex(f File) []byte {
	h, err := a.openIndex(f)
	if err != nil {
		return nil
	}
	defer h.Close()
	if f.Manifest != nil {
		b := make([]byte, f.Manifest.IndexSize)
		n, _ := h.ReadAt(b, 0)
		return b[:n]
	}
	b, _ := io.ReadAll(io.NewSectionReader(h, 0, math.MaxInt64))
	return b
}
