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
