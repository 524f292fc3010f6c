package archive

import (
	"hash/crc32"
	"math/bits"
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
func (s sums) file() uint32 { return joinCRC(s.before, s.block, s.length) }

// endBlock begins a new part.
func (s *sums) endBlock() { *s = sums{before: s.file()} }

// joinCRC is the CRC32C of some bytes with sum a and n more with sum b behind them.
//
// A CRC is the remainder of a polynomial over GF(2), with the highest power in the
// lowest bit. Appending n bytes multiplies what was before by x to the 8n; the
// inversions at the start and the end of each sum cancel out.
func joinCRC(a, b uint32, n int64) uint32 {
	for ; n > 0; n &= n - 1 {
		a = multiplyCRC(a, powersCRC[bits.TrailingZeros64(uint64(n))])
	}
	return a ^ b
}

// powersCRC are x to the 8 times 2^k.
var powersCRC = func() (p [63]uint32) {
	p[0] = 1 << (31 - 8)
	for k := 1; k < len(p); k++ {
		p[k] = multiplyCRC(p[k-1], p[k-1])
	}
	return p
}()

// multiplyCRC is the product of two remainders.
func multiplyCRC(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 { // the bit on top is the lowest power that is left of a
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}
