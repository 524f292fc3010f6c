package replication

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
)

func mustParseSet(t testing.TB, text string) *GTIDSet {
	t.Helper()
	s, err := ParseGTIDSet(shorten.Replace(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shorten lets the tables write A and B for the two UUIDs.
var shorten = strings.NewReplacer("A", textUUIDA, "B", textUUIDB)

func TestParseGTIDSetPrintsWhatMySQLPrints(t *testing.T) {
	for text, printed := range map[string]string{
		"":                                   "",
		" \n":                                "",
		",, \n,":                             "",
		"A":                                  "",
		"A:tag":                              "",
		"A:5-3:7-0":                          "",
		"A:5":                                "A:5",
		"A:5-5":                              "A:5",
		"A:1-5:7":                            "A:1-5:7",
		"A:7:1-5:6":                          "A:1-7",
		"A:9:7:5:3:1":                        "A:1:3:5:7:9",
		"A:1-3:2-5:5:7:11:9-10":              "A:1-5:7:9-11",
		" A : 1 - 3 : 5 , ":                  "A:1-3:5",
		"\nA\n:\n1\n-\n2\n,\nB:3":            "A:1-2,\nB:3",
		"A:1\v-\f3\r":                        "A:1-3",
		"B:1,,A:2,B:2,":                      "A:2,\nB:1-2",
		"A:1-5:7:tag:1:Tag2:5-6:3":           "A:1-5:7:tag:1:tag2:3:5-6",
		"A:z:1,A:2,A:a:3":                    "A:2:a:3:z:1",
		"A:one:two:5":                        "A:two:5",
		"A:3-1:tag:4:later":                  "A:tag:4",
		"B:tag:1,A:_9:1":                     "A:_9:1,\nB:tag:1",
		"A:9223372036854775806":              "A:9223372036854775806",
		"A:1-9223372036854775806:8":          "A:1-9223372036854775806",
		"{A}:1,{B}:2":                        "A:1,\nB:2",
		"07ff2e57e66b11f183c0000000000001:4": "A:4",
	} {
		s := mustParseSet(t, text)
		checkIntervals(t, s)
		if s.String() != shorten.Replace(printed) {
			t.Errorf("%q: %q, expected %q", text, s, printed)
		}
	}
	if s, err := ParseGTIDSet(strings.ToUpper(textUUIDB) + ":1"); err != nil || s.String() != textUUIDB+":1" {
		t.Errorf("upper case: %q, %v", s, err)
	}
}

func TestParseGTIDSetNamesTheOffset(t *testing.T) {
	for text, offset := range map[string]int{
		"x":                            0,
		":1":                           0,
		"+A:1":                         0,
		"A:":                           37,
		"A: ":                          38,
		"A: ,":                         38,
		"A::5":                         37,
		"A:1: :5":                      40,
		"A:tag::5":                     41,
		"A:tag 5":                      41,
		"A:0":                          37,
		"A:0-5":                        37,
		"A:-5":                         37,
		"A:+5":                         37,
		"A:010":                        37,
		"A:0x10":                       37,
		"A:5-":                         39,
		"A:5-,":                        39,
		"A:5--3":                       39,
		"A:5-010":                      39,
		"A:1-2-3":                      40,
		"A:5tag":                       38,
		"A:t-5":                        38,
		"A:1 A:2":                      39,
		"A:1,:2":                       39,
		"A:1;":                         38,
		"A:1\x00":                      38,
		"A,\x00":                       37,
		"A:9223372036854775807":        37,
		"A:1-9223372036854775807":      39,
		"A:99999999999999999999":       37,
		"A:" + strings.Repeat("a", 33): 37,
	} {
		_, err := ParseGTIDSet(shorten.Replace(text))
		var syntax *GTIDSyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != offset || syntax.What != "GTID set" {
			t.Errorf("%q: %v, expected offset %d", text, err, offset)
		}
	}
}

// Bodies of PREVIOUS_GTIDS events as mysqld 9.7.4 wrote them. It uses the tagged form
// from the first tag on that it meets, also for sets that have none.
var writtenByMySQL = []struct {
	text, body string
	canonical  bool // AppendWire chooses the same form
}{
	{"", "0000000000000000", true},
	{"A:1-2:5:9223372036854775806,\nB:7", "0200000000000000" +
		"07ff2e57e66b11f183c0000000000001" + "0300000000000000" + "0100000000000000" + "0300000000000000" + "0500000000000000" + "0600000000000000" + "feffffffffffff7f" + "ffffffffffffff7f" +
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + "0100000000000000" + "0700000000000000" + "0800000000000000", true},
	{"", "0100000000000001", false},
	{"A:1-8,\nB:7", "0102000000000001" +
		"07ff2e57e66b11f183c0000000000001" + "00" + "0100000000000000" + "0100000000000000" + "0900000000000000" +
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + "00" + "0100000000000000" + "0700000000000000" + "0800000000000000", false},
	{"A:1-8,\nB:7:tag_one:1:5", "0103000000000001" +
		"07ff2e57e66b11f183c0000000000001" + "00" + "0100000000000000" + "0100000000000000" + "0900000000000000" +
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + "00" + "0100000000000000" + "0700000000000000" + "0800000000000000" +
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + "0e7461675f6f6e65" + "0200000000000000" + "0100000000000000" + "0200000000000000" + "0500000000000000" + "0600000000000000", true},
}

func TestWireFormIsMySQLs(t *testing.T) {
	for _, c := range writtenByMySQL {
		s, err := DecodeGTIDSet(unhex(t, c.body))
		if err != nil {
			t.Fatal(err)
		}
		if s.String() != shorten.Replace(c.text) {
			t.Errorf("%s: decoded %q", c.text, s)
		}
		if encoded := hex.EncodeToString(mustParseSet(t, c.text).AppendWire(nil)); c.canonical && encoded != c.body {
			t.Errorf("%s: encoded %s", c.text, encoded)
		}
	}
}

func TestAppendWireAppends(t *testing.T) {
	if b := (*GTIDSet)(nil).AppendWire([]byte{0x99}); !bytes.Equal(b, unhex(t, "990000000000000000")) {
		t.Errorf("%x", b)
	}
}

// go-mysql encodes the streams in the order of a Go map.
func TestDecodeGTIDSetTakesStreamsInAnyOrderAndAgain(t *testing.T) {
	b := "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + "0100000000000000" + "0500000000000000" + "0900000000000000"
	a := "07ff2e57e66b11f183c0000000000001" + "0100000000000000" + "0100000000000000" + "0200000000000000"
	again := "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + "0100000000000000" + "0100000000000000" + "0600000000000000"
	none := "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" + "0000000000000000"
	s, err := DecodeGTIDSet(unhex(t, "0400000000000000"+b+a+again+none))
	if err != nil || s.String() != shorten.Replace("A:1,\nB:1-8") {
		t.Errorf("%q, %v", s, err)
	}
}

func TestDecodeGTIDSetTakesTagsInUpperCase(t *testing.T) {
	s, err := DecodeGTIDSet(unhex(t, "0101000000000001"+"07ff2e57e66b11f183c0000000000001"+"0254"+"0100000000000000"+"0100000000000000"+"0200000000000000"))
	if err != nil || s.String() != shorten.Replace("A:t:1") {
		t.Errorf("%q, %v", s, err)
	}
}

func TestDecodeGTIDSetRefuses(t *testing.T) {
	const (
		uuid   = "07ff2e57e66b11f183c0000000000001"
		one    = "0100000000000000"
		two    = "0200000000000000"
		zero   = "0000000000000000"
		tagged = "0101000000000001"
	)
	for name, c := range map[string]struct {
		body   string
		offset int
	}{
		"nothing":                           {"", 0},
		"half a header":                     {"00000000", 0},
		"format 2":                          {"0201000000000002" + uuid + "00" + one + one + two, 8},
		"more streams than bytes":           {"ffffffffffffff00" + uuid + one + one + two, 8},
		"more tagged streams than bytes":    {"01ffffffffffff01" + uuid + "00" + one + one + two, 8},
		"bytes left over":                   {one + uuid + one + one + two + "00", 48},
		"bytes behind the empty set":        {zero + "00", 8},
		"a stream cut in its uuid":          {one + uuid, 8},
		"more intervals than bytes":         {one + uuid + "ffffffffffffffff" + one + two, 32},
		"intervals whose size wraps around": {one + uuid + "0100000000000010" + one + two, 32},
		"a cut interval":                    {one + uuid + one + one + "02000000", 32},
		"start 0":                           {one + uuid + one + zero + one, 48},
		"a negative start":                  {one + uuid + one + "ffffffffffffffff" + two, 48},
		"end = start":                       {one + uuid + one + one + one, 48},
		"end < start":                       {one + uuid + one + two + one, 48},
		"an end beyond 2^63-1":              {one + uuid + one + one + "0000000000000080", 48},
		"intervals that touch":              {one + uuid + two + one + two + two + "0300000000000000", 64},
		"intervals out of order":            {one + uuid + two + "0500000000000000" + "0600000000000000" + one + two, 64},
		"a tag with a blank":                {tagged + uuid + "042061" + one + one + two, 27},
		"a tag that begins with a digit":    {tagged + uuid + "0239" + one + one + two, 26},
		"a tag of 33":                       {tagged + uuid + "42" + strings.Repeat("61", 33) + one + one + two, 25},
		"the size of a tag in two bytes":    {tagged + uuid + "0500" + one + one + two, 25},
		"no size of a tag":                  {"0102000000000001" + uuid + "00" + one + one + two + uuid, 65},
		"a tag that is cut":                 {tagged + uuid + "40" + strings.Repeat("61", 20), 25},
	} {
		_, err := DecodeGTIDSet(unhex(t, c.body))
		var syntax *GTIDSyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != c.offset || syntax.What != "GTID set encoding" {
			t.Errorf("%s: %v, expected offset %d", name, err, c.offset)
		}
	}
}

func TestZeroAndNilSetsAreEmpty(t *testing.T) {
	full := mustParseSet(t, "A:1-5:tag:3")
	for name, s := range map[string]*GTIDSet{"nil": nil, "zero": {}} {
		if !s.IsEmpty() || s.Count() != 0 || s.HasTags() || s.String() != "" || s.Contains(GTID{UUID: uuidA, Number: 1}) {
			t.Errorf("%s: not empty", name)
		}
		if !s.Equal(&GTIDSet{}) || !s.Equal(nil) || s.Equal(full) || full.Equal(s) {
			t.Errorf("%s: Equal", name)
		}
		if !full.ContainsSet(s) || s.ContainsSet(full) || !s.ContainsSet(nil) {
			t.Errorf("%s: ContainsSet", name)
		}
		if !s.Union(full).Equal(full) || !full.Union(s).Equal(full) || !full.Subtract(s).Equal(full) {
			t.Errorf("%s: Union or Subtract", name)
		}
		if !s.Subtract(full).IsEmpty() || !s.Intersect(full).IsEmpty() || !full.Intersect(s).IsEmpty() {
			t.Errorf("%s: Subtract or Intersect", name)
		}
		if c := s.Clone(); c == nil || !c.IsEmpty() || !s.ForUUID(uuidA).IsEmpty() {
			t.Errorf("%s: Clone or ForUUID", name)
		}
		full.AddSet(s)
		if full.String() != textUUIDA+":1-5:tag:3" {
			t.Errorf("%s: AddSet", name)
		}
	}
}

func TestAddRefusesWhatNoTransactionCanHave(t *testing.T) {
	s := mustParseSet(t, "A:9223372036854775806")
	for _, g := range []GTID{
		{UUID: uuidA, Number: 0},
		{UUID: uuidA, Number: -1},
		{UUID: uuidA, Number: math.MinInt64},
		{UUID: uuidA, Number: math.MaxInt64},
		{UUID: uuidA, Tag: "Upper", Number: 1},
		{UUID: uuidB, Tag: "a-b", Number: 1},
	} {
		if err := s.Add(g); err == nil || s.Contains(g) {
			t.Errorf("%v: %v", g, err)
		}
	}
	if err := s.AddInterval(uuidA, "", 5, 4); err == nil {
		t.Error("5 to 4")
	}
	if s.String() != textUUIDA+":9223372036854775806" {
		t.Errorf("the set has changed: %v", s)
	}
}

func TestCountStopsAtTheLargestNumber(t *testing.T) {
	for text, count := range map[string]uint64{
		"A:1-5:8:tag:3":           7,
		"A:1-9223372036854775806": MaxGTIDNumber,
		"A:1-9223372036854775806,B:1-9223372036854775806:t:1-3":                   math.MaxUint64,
		"A:1-9223372036854775806,B:1-9223372036854775806:t:1-9223372036854775806": math.MaxUint64,
		"A:1-9223372036854775806,B:1-9223372036854775806:t:1-2":                   2*MaxGTIDNumber + 2,
	} {
		if n := mustParseSet(t, text).Count(); n != count {
			t.Errorf("%s: %d, expected %d", text, n, count)
		}
	}
}

func TestForUUIDTakesAllTags(t *testing.T) {
	s := mustParseSet(t, "A:1:tag:2,B:3:tag:4")
	for u, text := range map[UUID]string{uuidA: "A:1:tag:2", uuidB: "B:3:tag:4", {0xff}: "", {}: ""} {
		if part := s.ForUUID(u); part.String() != shorten.Replace(text) {
			t.Errorf("%v: %v", u, part)
		}
	}
}

// The receive loop adds one GTID for each transaction.
func TestHotPathAllocatesNothing(t *testing.T) {
	s := mustParseSet(t, "A:1-5:tag_one:1:5,B:1-3:7-9")
	next := GTID{UUID: uuidA, Tag: "tag_one", Number: 6}
	other := GTID{UUID: uuidB, Number: 10}
	if n := testing.AllocsPerRun(1000, func() {
		if s.Add(next) != nil || s.Add(other) != nil || !s.Contains(next) || !s.Contains(other) || s.Contains(GTID{UUID: uuidA, Number: 6}) {
			t.Fatal("wrong answer")
		}
		next.Number++
		other.Number++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A client may send a set that is sorted the wrong way round; a list that is kept
// sorted at each step would take minutes for these.
func TestHostileOrderCostsNoSquare(t *testing.T) {
	const n = 200_000
	var numbers, uuids strings.Builder
	numbers.WriteString(textUUIDA)
	for i := n; i > 0; i-- {
		numbers.WriteString(":" + GTID{Number: int64(2 * i)}.String()[37:])
		u := UUID{byte(i >> 16), byte(i >> 8), byte(i)}
		uuids.WriteString(u.String() + ":1,")
	}
	for _, text := range []string{numbers.String(), uuids.String()} {
		s, err := ParseGTIDSet(text)
		if err != nil || s.Count() != n {
			t.Fatalf("%d, %v", s.Count(), err)
		}
		checkIntervals(t, s)
	}
}

// checkIntervals proves what every GTIDSet must keep: see interval and GTIDSet.
func checkIntervals(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *GTIDSet) {
	t.Helper()
	for i, stream := range s.all() {
		if i > 0 && s.streams[i-1].id.compare(&stream.id) >= 0 {
			t.Fatalf("stream %d is out of order", i)
		}
		if len(stream.intervals) == 0 || !stream.id.tag.valid() {
			t.Fatalf("stream %d: %v", i, stream)
		}
		previous := int64(0)
		for _, iv := range stream.intervals {
			if iv.start <= previous || iv.end <= iv.start {
				t.Fatalf("stream %d: intervals %v", i, stream.intervals)
			}
			previous = iv.end
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
