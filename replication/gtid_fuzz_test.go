package replication

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// A text that is taken gives a sound set, and the set's own text and bytes give it again.
func FuzzParseGTIDSet(f *testing.F) {
	for _, text := range []string{
		"", " , \n,", "A", "A:1", "A:1-5:7,\nB:tag:1:2-3", "B:9:7:5,A:5-3:tag", "{A}:1", "A:9223372036854775806",
		"A:0", "A:010", "A:5-", "A: :5", "A:tag 5", "0-1-5",
	} {
		f.Add(shorten.Replace(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseGTIDSet(text)
		if err != nil {
			checkOffset(t, err, len(text))
			return
		}
		checkIntervals(t, s)
		checkInverse(t, s)
		// Commas and blanks around a set, and the set again, change nothing.
		again, err := ParseGTIDSet(" ,\n" + text + ", " + strings.ToUpper(text))
		if err != nil || !again.Equal(s) {
			t.Fatalf("twice: %q, %v", again, err)
		}
	})
}

// Bytes that are taken give a sound set, and the set's own text and bytes give it again.
func FuzzDecodeGTIDSet(f *testing.F) {
	for _, c := range writtenByMySQL {
		b, err := hex.DecodeString(c.body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(mustParseSet(f, c.text).AppendWire(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		s, err := DecodeGTIDSet(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the input has changed")
		}
		if err != nil {
			checkOffset(t, err, len(b))
			return
		}
		checkIntervals(t, s)
		checkInverse(t, s)
		if encoded := s.AppendWire(nil); len(encoded) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(encoded))
		}
	})
}

// A text that is taken gives a GTID whose own text gives it again, and which is the
// only one in the set that the text means.
func FuzzParseGTID(f *testing.F) {
	for _, text := range []string{"A:5", " B : Tag : 5\n", "A:9223372036854775807", "A:05", "A:5-6", "{A}:t:1"} {
		f.Add(shorten.Replace(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseGTID(text)
		if err != nil {
			checkOffset(t, err, len(text))
			return
		}
		if back, err := ParseGTID(g.String()); err != nil || back != g {
			t.Fatalf("%v: %v, %v", g, back, err)
		}
		if tag, err := ParseTag(string(g.Tag)); err != nil || tag != g.Tag {
			t.Fatalf("%v: %q, %v", g, tag, err)
		}
		s, err := ParseGTIDSet(text)
		if err != nil || s.Count() != 1 || !s.Contains(g) || s.String() != g.String() {
			t.Fatalf("%v as a set: %q, %v", g, s, err)
		}
	})
}

func checkInverse(t *testing.T, s *GTIDSet) {
	t.Helper()
	if back, err := ParseGTIDSet(s.String()); err != nil || !back.Equal(s) {
		t.Fatalf("text %q: %q, %v", s, back, err)
	}
	if back, err := DecodeGTIDSet(s.AppendWire(nil)); err != nil || !back.Equal(s) {
		t.Fatalf("bytes of %q: %q, %v", s, back, err)
	}
	for _, stream := range s.streams {
		for _, iv := range stream.intervals {
			g := GTID{UUID: stream.id.uuid, Tag: stream.id.tag, Number: iv.end}
			last := g
			last.Number--
			if s.Contains(g) || !s.Contains(last) {
				t.Fatalf("the edge at %v of %q", g, s)
			}
		}
	}
}

func checkOffset(t *testing.T, err error, size int) {
	t.Helper()
	syntax, ok := err.(*GTIDSyntaxError)
	if !ok || syntax.Offset < 0 || syntax.Offset > size || syntax.Reason == "" {
		t.Fatalf("%#v for %d bytes", err, size)
	}
}
