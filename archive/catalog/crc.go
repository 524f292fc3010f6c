package catalog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC32C is a CRC32C that JSON holds as eight hexadecimal digits.
type CRC32C uint32

func (c CRC32C) String() string               { return fmt.Sprintf("%08x", uint32(c)) }
func (c CRC32C) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c *CRC32C) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 16, 32)
	*c = CRC32C(v)
	if err == nil && c.String() != string(b) {
		err = errors.New("not eight hexadecimal digits")
	}
	return err
}
