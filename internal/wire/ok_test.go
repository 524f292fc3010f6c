package wire

import (
	"bytes"
	"testing"
)

func TestOKAndEOFAsCaptured(t *testing.T) {
	ok := OK{Status: StatusAutocommit}
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"OK", ok.Append(nil, 0), "00 00 00 0200 0000"},
		{"OK with numbers", (&OK{AffectedRows: 251, LastInsertID: 1, Status: 3, Warnings: 4, Info: "hi"}).Append(nil, 0), "00 fcfb00 01 0300 0400 6869"},
		{"info under SESSION_TRACK", (&OK{Info: "hi"}).Append(nil, CapSessionTrack), "00 00 00 0000 0000 02 6869"},
		{"EOF at the end of a dump", EOF{Status: StatusAutocommit}.Append(nil), "fe 0000 0200"},
		{"EOF after SET autocommit=0", EOF{}.Append(nil), "fe 0000 0000"},
		{"EOF of a long dump", EOF{Status: StatusSlowQuery}.Append(nil), "fe 0000 0008"},
		{"end of rows", AppendResultSetEnd(nil, 0, StatusAutocommit), "fe 0000 0200"},
		{"end of rows, DEPRECATE_EOF", AppendResultSetEnd(nil, CapDeprecateEOF, StatusAutocommit), "fe 00 00 0200 0000"},
	} {
		if want := unhex(t, tt.want); !bytes.Equal(tt.got, want) {
			t.Errorf("%s: % x, want % x", tt.name, tt.got, want)
		}
	}
	if !IsEOF([]byte("\xfe\x00\x00\x02\x00")) || IsEOF([]byte("\xfe\x00\x00\x02\x00\x00\x00")) || IsEOF(nil) {
		t.Error("IsEOF goes by more or less than header and length")
	}
	checkCutOff(t, ok.Append(nil, 0), 7, func(p []byte) (OK, error) { return DecodeOK(p, 0) })
	checkCutOff(t, EOF{}.Append(nil), 5, DecodeEOF)
}

func FuzzOK(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x00\x00\x00"), false)
	f.Add([]byte("\xfe\x00\x00\x02\x00\x00\x00"), false)
	f.Add([]byte("\x00\x01\xfc\xfb\x00\x02\x40\x00\x00\x04info\x02\x01\x02"), true)
	f.Fuzz(func(t *testing.T, payload []byte, track bool) {
		var caps Capabilities
		if track {
			caps = CapSessionTrack
		}
		checkDecoder(t, payload,
			func(p []byte) (OK, error) { return DecodeOK(p, caps) },
			func(ok OK) []byte { return ok.Append(nil, caps) })
	})
}

func FuzzEOF(f *testing.F) {
	f.Add([]byte("\xfe\x00\x00\x02\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, ok := checkDecoder(t, payload, DecodeEOF, EOF.encodeForTesting)
		if ok && !bytes.HasPrefix(payload, m.Append(nil)) {
			t.Fatalf("% x encoded as % x", payload, m.Append(nil))
		}
	})
}

func (e EOF) encodeForTesting() []byte { return e.Append(nil) }
