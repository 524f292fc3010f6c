package replication

import (
	"encoding/binary"
	"math/bits"
)

// varintCursor reads the integers of MySQL's serialization library
// (libs/mysql/serialization, variable_length_integers). The number of trailing
// one bits of the first byte plus 1 is the length in bytes; the value is the
// little-endian number shifted right by that length; nine bytes are 0xff and a
// plain u64. A read beyond the end sets bad, and all further reads give 0.
type varintCursor struct {
	b   []byte
	bad bool
}

func (c *varintCursor) unsigned() uint64 {
	if c.bad || len(c.b) == 0 {
		c.bad = true
		return 0
	}
	n := bits.TrailingZeros8(^c.b[0]) + 1
	if n > len(c.b) {
		c.bad = true
		return 0
	}
	var wide [8]byte
	if n == 9 {
		copy(wide[:], c.b[1:9])
		c.b = c.b[9:]
		return binary.LittleEndian.Uint64(wide[:])
	}
	copy(wide[:], c.b[:n])
	c.b = c.b[n:]
	return binary.LittleEndian.Uint64(wide[:]) >> n
}

// signed reads a number whose lowest bit is the sign: the others hold the value,
// inverted where it is negative.
func (c *varintCursor) signed() int64 {
	v := c.unsigned()
	if v&1 != 0 {
		return ^int64(v >> 1)
	}
	return int64(v >> 1)
}

// bytes reads a length and as many bytes, which stay part of the input.
func (c *varintCursor) bytes() []byte {
	n := c.unsigned()
	if c.bad || n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}
