package server

import (
	"strconv"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// kind is the type of a value, as far as result metadata and comparisons tell
// them apart.
type kind uint8

const (
	kindNull kind = iota
	kindInt
	kindUint
	kindDecimal
	kindDouble
	kindText
	kindBytes
)

// value is one SQL value: its type and its text form.
type value struct {
	kind kind
	text string
}

func intValue(n int64) value   { return value{kindInt, strconv.FormatInt(n, 10)} }
func uintValue(n uint64) value { return value{kindUint, strconv.FormatUint(n, 10)} }
func textValue(s string) value { return value{kindText, s} }

func boolValue(b bool) value {
	if b {
		return intValue(1)
	}
	return intValue(0)
}

// integerLiteral gives digits the smallest type that holds them.
func integerLiteral(digits string) value {
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return intValue(n)
	}
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		return uintValue(n)
	}
	return value{kindDecimal, digits}
}

// doubleLiteral prints a number with exponent as MySQL prints a DOUBLE of usual size.
func doubleLiteral(text string) value {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return value{kind: kindNull}
	}
	return value{kindDouble, strconv.FormatFloat(f, 'g', -1, 64)}
}

func (v value) isNull() bool { return v.kind == kindNull }

func (v value) isNumber() bool { return v.kind >= kindInt && v.kind <= kindDouble }

// negate is -v; a text counts as the number that it begins with.
func (v value) negate() value {
	switch v.kind {
	case kindNull:
		return v
	case kindText, kindBytes:
		v = value{kindDouble, numberPrefix(v.text)}
	case kindUint:
		v.kind = kindDecimal
	}
	switch {
	case strings.Trim(v.text, "0.") == "":
		return v
	case strings.HasPrefix(v.text, "-"):
		v.text = v.text[1:]
	default:
		v.text = "-" + v.text
	}
	if v.kind == kindDecimal && v.text == "-9223372036854775808" {
		v.kind = kindInt
	}
	return v
}

// truth is v as a condition; known is false for NULL.
func (v value) truth() (is, known bool) {
	if v.isNull() {
		return false, false
	}
	return strings.Trim(numberPrefix(v.text), "-0.") != "", true
}

// uint64 is v as MySQL takes it for an unsigned number: 0 for what does not begin
// with one.
func (v value) uint64() uint64 {
	digits := v.text
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, _ := strconv.ParseUint(digits, 10, 64) // 0 for none, the greatest for too many
	return n
}

// equal compares as MySQL's = does: texts without regard to case, and as numbers
// when one side is a number. Neither may be NULL.
func (v value) equal(w value) bool {
	if !v.isNumber() && !w.isNumber() {
		return strings.EqualFold(v.text, w.text)
	}
	if v.kind <= kindUint && w.kind <= kindUint {
		return v.text == w.text
	}
	x, errX := strconv.ParseFloat(numberPrefix(v.text), 64)
	y, errY := strconv.ParseFloat(numberPrefix(w.text), 64)
	return errX == nil && errY == nil && x == y
}

// numberPrefix is the number without exponent that a text begins with, "0" for none.
func numberPrefix(s string) string {
	s = strings.TrimLeft(s, " \t\n")
	end, digits := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
			end = i + 1
			continue
		case c == '-' && i == 0, c == '.' && !strings.Contains(s[:i], "."):
			continue
		}
		break
	}
	if digits == 0 {
		return "0"
	}
	return s[:end]
}

// wire is v for a text row.
func (v value) wire() wire.Value {
	if v.isNull() {
		return nil
	}
	return wire.TextValue(v.text)
}
