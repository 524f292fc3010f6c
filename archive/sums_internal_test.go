package archive

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

// However a file is cut into parts, its sum is that of all its bytes.
func TestSumOfAFileFollowsFromItsParts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		all := make([]byte, random.IntN(5000))
		for i := range all {
			all[i] = byte(random.Uint32())
		}
		var s sums
		for rest := all; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			s.write(rest[:n])
			rest = rest[n:]
			if random.IntN(2) == 0 {
				s.endBlock()
			}
		}
		if want := crc32.Checksum(all, castagnoli); s.file() != want {
			t.Fatalf("%d bytes: %08x, expected %08x", len(all), s.file(), want)
		}
	}
}

// The sum behind a stretch of zeros larger than any test's file.
func TestSumsJoinOverManyBytes(t *testing.T) {
	const n = 3<<20 + 7
	zeros := make([]byte, n)
	whole := crc32.Update(crc32.Checksum([]byte("begin"), castagnoli), castagnoli, zeros)
	zero := crc32.Checksum(zeros, castagnoli)
	if got := joinCRC(crc32.Checksum([]byte("begin"), castagnoli), zero, n); got != whole {
		t.Errorf("%08x, expected %08x", got, whole)
	}
	twice := joinCRC(joinCRC(1, 0, n), 0, 1<<40) // as one step of both lengths
	if got := joinCRC(1, 0, n+1<<40); got != twice {
		t.Errorf("%08x, expected %08x", got, twice)
	}
}
