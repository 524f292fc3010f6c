package wire

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// unhex returns the bytes of a dump; anything from a "|" to the end of its line
// is a remark.
func unhex(t testing.TB, dump string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(dump) {
		line, _, _ = strings.Cut(line, "|")
		for _, field := range strings.Fields(line) {
			digits.WriteString(field)
		}
	}
	p, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkDecoder is the invariant of every fuzz target for a message: what decodes
// can be encoded to something that means the same and that encodes to itself;
// what does not decode fails with a *MalformedError that names a place inside.
func checkDecoder[T any](t *testing.T, payload []byte, decode func([]byte) (T, error), encode func(T) []byte) (T, bool) {
	t.Helper()
	m, err := decode(payload)
	if err != nil {
		e, ok := errors.AsType[*MalformedError](err)
		if !ok {
			t.Fatalf("error %T: %v", err, err)
		}
		if e.Offset < 0 || e.Offset > len(payload) || e.Message == "" || e.Field == "" || e.Err == nil {
			t.Fatalf("error without a place: %#v", e)
		}
		return m, false
	}
	first := encode(m)
	again, err := decode(first)
	if err != nil {
		t.Fatalf("what we encoded does not decode: %v", err)
	}
	if !reflect.DeepEqual(m, again) {
		t.Fatalf("decoded %+v, encoded and decoded again %+v", m, again)
	}
	if second := encode(again); !reflect.DeepEqual(first, second) {
		t.Fatalf("encoded % x, then % x", first, second)
	}
	return m, true
}

// checkCutOff checks that no proper prefix of a payload decodes, up to the field
// that the message needs last.
func checkCutOff[T any](t *testing.T, payload []byte, needed int, decode func([]byte) (T, error)) {
	t.Helper()
	for n := range needed {
		if _, err := decode(payload[:n:n]); !errors.Is(err, ErrTruncated) {
			t.Errorf("first %d of %d bytes: error %v, want %v", n, len(payload), err, ErrTruncated)
		}
	}
	if _, err := decode(payload[:needed:needed]); err != nil {
		t.Errorf("first %d of %d bytes: %v", needed, len(payload), err)
	}
}
