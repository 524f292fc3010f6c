package wire

import (
	"encoding/binary"
	"strings"
)

var le = binary.LittleEndian

// appendLenenc is the opposite of Reader.Lenenc, in the shortest form.
func appendLenenc(dst []byte, n uint64) []byte {
	switch {
	case n < 0xfb:
		return append(dst, byte(n))
	case n < 1<<16:
		return append(dst, 0xfc, byte(n), byte(n>>8))
	case n < 1<<24:
		return append(dst, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	default:
		return le.AppendUint64(append(dst, 0xfe), n)
	}
}

func appendLenencString[T string | []byte](dst []byte, s T) []byte {
	return append(appendLenenc(dst, uint64(len(s))), s...)
}

// appendNulString appends s and a NUL. A NUL inside s ends it there.
func appendNulString(dst []byte, s string) []byte {
	return append(append(dst, untilNul(s)...), 0)
}

func untilNul(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}
