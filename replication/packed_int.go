package replication

import "encoding/binary"

// readPackedInt reads a length-encoded integer of the client protocol (mysqld:
// net_field_length_ll) and returns what follows it.
func readPackedInt(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	width := 0
	switch b[0] {
	case 0xfc:
		width = 2
	case 0xfd:
		width = 3
	case 0xfe:
		width = 8
	case 0xfb, 0xff:
		return 0, nil, false
	default:
		return uint64(b[0]), b[1:], true
	}
	if len(b) < 1+width {
		return 0, nil, false
	}
	var wide [8]byte
	copy(wide[:], b[1:1+width])
	return binary.LittleEndian.Uint64(wide[:]), b[1+width:], true
}

// appendPackedInt is the inverse of readPackedInt, in the shortest form.
func appendPackedInt(dst []byte, v uint64) []byte {
	switch {
	case v < 0xfb:
		return append(dst, byte(v))
	case v < 1<<16:
		return append(dst, 0xfc, byte(v), byte(v>>8))
	case v < 1<<24:
		return append(dst, 0xfd, byte(v), byte(v>>8), byte(v>>16))
	}
	return binary.LittleEndian.AppendUint64(append(dst, 0xfe), v)
}
