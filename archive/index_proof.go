package archive

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// proveIndex reads an index and finds out whether it is that of a file: it has the size and
// sum that the manifest says, and the sums of its blocks make that of the file. The sum of an index
// alone does not tell it from another one with records of the same lengths, since each
// ends with its own.
func proveIndex(h io.ReaderAt, key string, of storedFile, buf []byte) error {
	var sum, whole uint32
	damaged := func(expected, found string) error {
		return &DamageError{File: key, Expected: expected, Found: found}
	}
	for at, covered := int64(0), int64(0); at < of.indexSize; {
		p := buf[:min(int64(len(buf)), of.indexSize-at)]
		if n, err := h.ReadAt(p, at); n < len(p) {
			return err
		}
		used := 0
		if at == 0 {
			used = min(indexHeaderSize, len(p))
		}
		for {
			end, block, size := indexBlock(p[used:])
			if size == 0 || end <= covered {
				break
			}
			whole, covered = crc32c.Join(whole, block, end-covered), end
			used += size
		}
		switch {
		case used == 0 && int64(len(p)) == of.indexSize-at:
			return damaged("records of an index", fmt.Sprintf("something else at %d", at))
		case used == 0: // a record larger than the buffer
			buf = make([]byte, of.indexSize-at)
			continue
		}
		sum = crc32.Update(sum, castagnoli, p[:used])
		at += int64(used)
	}
	switch {
	case sum != uint32(of.indexCRC):
		return damaged(fmt.Sprintf("CRC32C %s", of.indexCRC), catalog.CRC32C(sum).String())
	case whole != uint32(of.crc):
		return damaged(fmt.Sprintf("the index of a file with CRC32C %s", of.crc), fmt.Sprintf("that of one with %s", catalog.CRC32C(whole)))
	}
	return nil
}
