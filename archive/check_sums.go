package archive

import (
	"hash"
	"hash/crc32"
)

// blockSums sums a file's bytes as they come, and compares its blocks with an index.
type blockSums struct {
	entries []indexEntry // of the blocks still to come
	sha     hash.Hash

	at    int64
	crc   uint32 // of all
	start int64  // of the block
	block uint32
	bad   []badBytes // in order, not adjacent
}

type badBytes struct{ from, to int64 }

func (s *blockSums) write(p []byte) {
	s.sha.Write(p)
	s.crc = crc32.Update(s.crc, castagnoli, p)
	for len(p) > 0 {
		n := len(p)
		if len(s.entries) > 0 {
			n = int(min(int64(n), s.entries[0].offset-s.at))
		}
		s.block = crc32.Update(s.block, castagnoli, p[:n])
		s.at += int64(n)
		p = p[n:]
		if len(s.entries) > 0 && s.at == s.entries[0].offset {
			s.endBlock()
		}
	}
}

func (s *blockSums) endBlock() {
	if s.block != s.entries[0].block {
		if n := len(s.bad); n > 0 && s.bad[n-1].to == s.start {
			s.bad[n-1].to = s.at
		} else {
			s.bad = append(s.bad, badBytes{s.start, s.at})
		}
	}
	s.entries, s.start, s.block = s.entries[1:], s.at, 0
}
