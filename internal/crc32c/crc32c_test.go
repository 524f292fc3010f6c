package crc32c

import (
	"hash/crc32"
	"testing"
)

// The sum behind a stretch of zeros larger than any test's file.
func TestSumsJoinOverManyBytes(t *testing.T) {
	const n = 3<<20 + 7
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	zeros := make([]byte, n)
	begin := crc32.Checksum([]byte("begin"), castagnoli)
	whole := crc32.Update(begin, castagnoli, zeros)
	zero := crc32.Checksum(zeros, castagnoli)
	if got := Join(begin, zero, n); got != whole {
		t.Errorf("%08x, expected %08x", got, whole)
	}
	if got := Update(Of([]byte("begin")), zeros); got != whole {
		t.Errorf("%08x, expected %08x", got, whole)
	}
	twice := Join(Join(1, 0, n), 0, 1<<40) // as one step of both lengths
	if got := Join(1, 0, n+1<<40); got != twice {
		t.Errorf("%08x, expected %08x", got, twice)
	}
}
