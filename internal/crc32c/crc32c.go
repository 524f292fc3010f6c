// Package crc32c computes the CRC32C (Castagnoli) of bytes, and that of joined
// runs of bytes from the sums of the runs.
package crc32c

import (
	"hash/crc32"
	"math/bits"
)

var table = crc32.MakeTable(crc32.Castagnoli)

// Of is the sum of b.
func Of(b []byte) uint32 { return crc32.Checksum(b, table) }

// Update is the sum of some bytes with the given sum and of b behind them. That of
// no bytes is 0.
func Update(sum uint32, b []byte) uint32 { return crc32.Update(sum, table, b) }

// Join is the sum of some bytes with sum a and n more with sum b behind them.
//
// A CRC is the remainder of a polynomial over GF(2), with the highest power in the
// lowest bit. Appending n bytes multiplies what was before by x to the 8n; the
// inversions at the start and the end of each sum cancel out.
func Join(a, b uint32, n int64) uint32 {
	for ; n > 0; n &= n - 1 {
		a = multiply(a, powers[bits.TrailingZeros64(uint64(n))])
	}
	return a ^ b
}

// powers are x to the 8 times 2^k.
var powers = func() (p [63]uint32) {
	p[0] = 1 << (31 - 8)
	for k := 1; k < len(p); k++ {
		p[k] = multiply(p[k-1], p[k-1])
	}
	return p
}()

// multiply is the product of two remainders.
func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 { // the bit on top is the lowest power that is left of a
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}
