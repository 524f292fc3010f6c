package archive

import (
	"hash/crc32"

	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sums are CRC32C over a file: all of it, and its part behind the last index entry.
// Each byte is read once, for the part; that of the whole file follows from its parts.
type sums struct {
	before uint32 // of the file up to the last index entry
	block  uint32 // of what is behind it
	length int64  // of that, in bytes
}

func (s *sums) write(p []byte) {
	s.block = crc32.Update(s.block, castagnoli, p)
	s.length += int64(len(p))
}

// file is the sum of all that was written.
func (s sums) file() uint32 { return crc32c.Join(s.before, s.block, s.length) }

// endBlock begins a new part.
func (s *sums) endBlock() { *s = sums{before: s.file()} }
