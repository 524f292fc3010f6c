package wire

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
)

func TestLenencAgreesWithAnotherImplementation(t *testing.T) {
	for _, n := range []uint64{0, 1, 250, 251, 252, 255, 256, 1<<16 - 1, 1 << 16, 1<<24 - 1, 1 << 24, 1 << 32, math.MaxInt64, math.MaxUint64} {
		ours := appendLenenc(nil, n)
		if theirs := mysql.PutLengthEncodedInt(n); !bytes.Equal(ours, theirs) {
			t.Errorf("%d: encoded % x, want % x", n, ours, theirs)
		}
		r := NewReader("test", ours)
		if got := r.Lenenc("n"); got != n || r.Err() != nil || r.Len() != 0 {
			t.Errorf("%d: decoded %d, %v, %d bytes left", n, got, r.Err(), r.Len())
		}
		for cut := range ours {
			r := NewReader("test", ours[:cut])
			if r.Lenenc("n"); !errors.Is(r.Err(), ErrTruncated) {
				t.Errorf("%d cut to %d bytes: %v", n, cut, r.Err())
			}
		}
	}
}

func TestReaderKeepsItsFirstError(t *testing.T) {
	r := NewReader("COM_TEST", []byte{1, 2, 3})
	if got := r.Uint16("first"); got != 0x0201 {
		t.Fatalf("Uint16 = %#x", got)
	}
	r.Uint32("second")
	r.Uint8("third")
	r.Fail("fourth", errors.New("later"))
	for _, got := range [][]byte{r.Bytes("x", 0), r.LenencBytes("x"), r.Rest()} {
		if got != nil {
			t.Errorf("read %q after the failure", got)
		}
	}
	if r.Uint24("x") != 0 || r.Uint64("x") != 0 || r.Lenenc("x") != 0 || r.NulString("x") != "" || r.FinalString("x") != "" {
		t.Error("read a value after the failure")
	}
	const want = "malformed COM_TEST packet: second at byte 2: payload ends too early"
	if err := r.Err(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestLenencBytesBeyondTheEnd(t *testing.T) {
	for _, p := range []string{"\x05abcd", "\xfe\xff\xff\xff\xff\xff\xff\xff\xffab", "\xfe\x00\x00\x00\x00\x00\x00\x00\x80", "\xfc\x05\x00abcd"} {
		r := NewReader("test", []byte(p))
		if r.LenencBytes("s"); !errors.Is(r.Err(), ErrTruncated) {
			t.Errorf("%q: %v", p, r.Err())
		}
	}
	for _, p := range []string{"\xfb", "\xff"} {
		r := NewReader("test", []byte(p))
		if r.LenencBytes("s"); !errors.Is(r.Err(), errNotLenenc) {
			t.Errorf("%q: %v", p, r.Err())
		}
	}
}

func TestNulEndedStrings(t *testing.T) {
	r := NewReader("test", []byte("ab\x00\x00cd"))
	if a, b := r.NulString("a"), r.NulString("b"); a != "ab" || b != "" {
		t.Errorf("read %q and %q", a, b)
	}
	if c := r.FinalString("c"); c != "cd" || r.Err() != nil {
		t.Errorf("read %q, %v", c, r.Err())
	}
	r = NewReader("test", []byte("ab"))
	if r.NulString("a"); !errors.Is(r.Err(), ErrTruncated) {
		t.Errorf("string without an end: %v", r.Err())
	}
	if got := appendNulString(nil, "user\x00root"); string(got) != "user\x00" {
		t.Errorf("appendNulString let a NUL through: %q", got)
	}
}

// FuzzReader runs any sequence of calls: no call goes back or beyond the end, and
// after a failure nothing moves.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x03def\x00\x00abc\x00"), []byte{7, 7, 1, 8, 9})
	f.Fuzz(func(t *testing.T, payload, calls []byte) {
		r := NewReader("test", payload)
		for _, call := range calls {
			before := r.Len()
			switch call % 11 {
			case 0:
				r.Uint8("f")
			case 1:
				r.Uint16("f")
			case 2:
				r.Uint24("f")
			case 3:
				r.Uint32("f")
			case 4:
				r.Uint64("f")
			case 5:
				r.Lenenc("f")
			case 6:
				r.LenencBytes("f")
			case 7:
				r.NulString("f")
			case 8:
				r.FinalString("f")
			case 9:
				r.Bytes("f", int(int8(call)))
			case 10:
				r.Expect("f", call)
			}
			if r.Len() < 0 || r.Len() > before {
				t.Fatalf("call %d moved from %d to %d bytes left", call, before, r.Len())
			}
			if r.Err() != nil && r.Len() != 0 {
				t.Fatalf("bytes left behind a failure")
			}
		}
	})
}
