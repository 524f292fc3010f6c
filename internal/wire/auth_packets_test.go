package wire

import (
	"bytes"
	"testing"
)

func TestAuthSwitchRequestAsCaptured(t *testing.T) {
	nonce := Nonce([]byte("abcdefghijklmnopqrst"))
	request := AuthSwitchRequest{Plugin: NativePassword, Nonce: nonce}
	want := "\xfemysql_native_password\x00abcdefghijklmnopqrst\x00"
	payload := request.Append(nil)
	if string(payload) != want {
		t.Errorf("encoded %q, want %q", payload, want)
	}
	checkCutOff(t, payload, len(payload)-1, DecodeAuthSwitchRequest)
}

func TestAuthMoreDataAsCaptured(t *testing.T) {
	for data, want := range map[byte]string{cachingSHA2FastOK: "\x01\x03", cachingSHA2NeedsFull: "\x01\x04"} {
		more := AuthMoreData{Data: []byte{data}}
		if got := more.Append(nil); string(got) != want {
			t.Errorf("encoded % x, want % x", got, want)
		}
	}
}

func FuzzAuthSwitchRequest(f *testing.F) {
	f.Add((&AuthSwitchRequest{Plugin: CachingSHA2Password, Nonce: Nonce([]byte("abcdefghijklmnopqrst"))}).Append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, ok := checkDecoder(t, payload, DecodeAuthSwitchRequest, func(a AuthSwitchRequest) []byte { return a.Append(nil) })
		if encoded := m.Append(nil); ok && !bytes.HasPrefix(payload, encoded[:len(encoded)-1]) {
			t.Fatalf("% x encoded as % x", payload, encoded)
		}
	})
}

func FuzzAuthMoreData(f *testing.F) {
	f.Add([]byte("\x01\x03"))
	f.Add([]byte("\x01-----BEGIN PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, ok := checkDecoder(t, payload, DecodeAuthMoreData, func(a AuthMoreData) []byte { return a.Append(nil) })
		if ok && !bytes.Equal(m.Append(nil), payload) {
			t.Fatalf("% x encoded as % x", payload, m.Append(nil))
		}
	})
}
