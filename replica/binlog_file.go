package replica

import (
	"strings"
)

// BinlogFile is one line of SHOW BINARY LOGS.
type BinlogFile struct {
	Name string
	Size int64 // bytes, as they are sent
}

// compareNames orders two file names of one server by their numbers: below 0
// when a is older. ok is false when the names differ before the number, so that
// they say nothing of each other's age. Each is a valid file name, or "".
func compareNames(a, b string) (order int, ok bool) {
	baseA, numberA := splitName(a)
	baseB, numberB := splitName(b)
	if baseA != baseB {
		return 0, false
	}
	if d := len(numberA) - len(numberB); d != 0 {
		return d, true
	}
	return strings.Compare(numberA, numberB), true
}

// splitName returns what stands before the last dot, and the number without its
// leading zeros.
func splitName(name string) (base, number string) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name, ""
	}
	return name[:dot], strings.TrimLeft(name[dot+1:], "0")
}
