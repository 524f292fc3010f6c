package replication

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	textUUIDA = "07ff2e57-e66b-11f1-83c0-000000000001"
	textUUIDB = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
)

var (
	uuidA = UUID{0x07, 0xff, 0x2e, 0x57, 0xe6, 0x6b, 0x11, 0xf1, 0x83, 0xc0, 0, 0, 0, 0, 0, 1}
	uuidB = UUID{0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa}
)

func TestParseUUIDTakesTheFormsOfMySQL(t *testing.T) {
	for _, text := range []string{
		textUUIDA,
		strings.ToUpper(textUUIDA),
		strings.ReplaceAll(textUUIDA, "-", ""),
		"{" + textUUIDA + "}",
	} {
		u, err := ParseUUID(text)
		if err != nil || u != uuidA || u.String() != textUUIDA {
			t.Errorf("%q: %v, %v", text, u, err)
		}
	}
}

func TestParseUUIDNamesTheOffset(t *testing.T) {
	for text, offset := range map[string]int{
		"":                                    0,
		"x":                                   0,
		" " + textUUIDA:                       0,
		textUUIDA + " ":                       36,
		textUUIDA[:35]:                        35,
		textUUIDA[:35] + "g":                  35,
		"07ff2e57_e66b-11f1-83c0-01":          8,
		"07ff2e57-e66b11f1-83c0-000000000001": 13,
		"07ff2e57e66b-11f1-83c0-000000000001": 12,
		"{" + textUUIDA:                       37,
		"{" + textUUIDA + ")":                 37,
		textUUIDA + "}":                       36,
		"{07ff2e57e66b11f183c0000000000001}":  9,
		"07ff2e57-e66b-11f1-83c0-00000000000\x00": 35,
	} {
		_, err := ParseUUID(text)
		var syntax *GTIDSyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != offset || syntax.What != "UUID" {
			t.Errorf("%q: %v, expected offset %d", text, err, offset)
		}
	}
}

func TestUUIDTextIsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var u UUID
		copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		if back, err := ParseUUID(u.String()); err != nil || back != u {
			t.Fatalf("%v: %v, %v", u, back, err)
		}
	})
}
