package replication

import (
	"errors"
	"strings"
	"testing"
)

func TestParseGTID(t *testing.T) {
	for text, expected := range map[string]GTID{
		textUUIDA + ":5":                      {UUID: uuidA, Number: 5},
		textUUIDA + ":tag:5":                  {UUID: uuidA, Tag: "tag", Number: 5},
		" \t" + textUUIDA + " :\n Tag_1 : 5 ": {UUID: uuidA, Tag: "tag_1", Number: 5},
		strings.ToUpper(textUUIDB) + ":_:1":   {UUID: uuidB, Tag: "_", Number: 1},
		textUUIDB + ":9223372036854775806":    {UUID: uuidB, Number: MaxGTIDNumber},
	} {
		if g, err := ParseGTID(text); err != nil || g != expected {
			t.Errorf("%q: %v, %v", text, g, err)
		}
	}
}

func TestParseGTIDNamesTheOffset(t *testing.T) {
	longTag := strings.Repeat("a", 33)
	for suffix, offset := range map[string]int{
		"":                     36,
		":":                    37,
		":0":                   37,
		":-5":                  37,
		":+5":                  37,
		":05":                  37,
		":0x10":                37,
		":5-6":                 38,
		":5,":                  38,
		":5 5":                 39,
		"::5":                  37,
		":tag":                 40,
		":tag:":                41,
		":tag::5":              41,
		":tag:two:5":           41,
		":t-5":                 38,
		":" + longTag + ":5":   37,
		":9223372036854775807": 37,
		":5\x00":               38,
	} {
		_, err := ParseGTID(textUUIDA + suffix)
		var syntax *GTIDSyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != offset || syntax.What != "GTID" {
			t.Errorf("%q: %v, expected offset %d", suffix, err, offset)
		}
	}
	_, err := ParseGTID(" " + textUUIDA[:8] + ":5")
	if err == nil || err.Error() != `malformed GTID at offset 9: expected a UUID, found ":"` {
		t.Error(err)
	}
}

func TestParseTag(t *testing.T) {
	longest := strings.Repeat("a9_", 10) + "zz"
	for text, expected := range map[string]Tag{"": "", "a": "a", "_": "_", "Tag_9": "tag_9", longest: Tag(longest)} {
		if tag, err := ParseTag(text); err != nil || tag != expected || tag.String() != string(expected) {
			t.Errorf("%q: %q, %v", text, tag, err)
		}
	}
	for text, offset := range map[string]int{"9a": 0, "a b": 1, "a-b": 1, " a": 0, "é": 0, longest + "z": 32, "a:": 1} {
		_, err := ParseTag(text)
		var syntax *GTIDSyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != offset {
			t.Errorf("%q: %v, expected offset %d", text, err, offset)
		}
	}
}

func TestFlavorTextIsInverse(t *testing.T) {
	for _, f := range []Flavor{MySQL, MariaDB} {
		if back, err := ParseFlavor(f.String()); err != nil || back != f {
			t.Errorf("%v: %v, %v", f, back, err)
		}
	}
	for _, s := range []string{"", "MySQL", "percona", Flavor(7).String()} {
		if f, err := ParseFlavor(s); err == nil {
			t.Errorf("%q: %v", s, f)
		}
	}
}
