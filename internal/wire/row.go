package wire

import "strconv"

// Value is one value of a text row. nil is NULL; an empty string is not.
type Value []byte

// TextValue returns s as a value.
func TextValue(s string) Value { return append(Value{}, s...) }

// IntValue returns the decimal digits of n.
func IntValue(n int64) Value { return strconv.AppendInt(nil, n, 10) }

// UintValue returns the decimal digits of n.
func UintValue(n uint64) Value { return strconv.AppendUint(nil, n, 10) }

const nullValue = 0xfb

// AppendRow appends the payload of a text row, ProtocolText::ResultsetRow: for
// each column FB (NULL) or a length-encoded string.
func AppendRow(dst []byte, row []Value) []byte {
	for _, v := range row {
		if v == nil {
			dst = append(dst, nullValue)
			continue
		}
		dst = appendLenencString(dst, []byte(v))
	}
	return dst
}

// DecodeRow decodes the payload of a text row of so many columns. The values
// alias it.
func DecodeRow(payload []byte, columns int) ([]Value, error) {
	r := NewReader("ResultsetRow", payload)
	var row []Value // grows with the payload, not with the claim
	for range columns {
		if r.Len() > 0 && payload[r.off] == nullValue {
			r.off++
			row = append(row, nil)
			continue
		}
		row = append(row, r.LenencBytes("value"))
		if r.Err() != nil {
			return nil, r.Err()
		}
	}
	return row, nil
}
