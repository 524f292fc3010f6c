package wire

import (
	"reflect"
	"testing"
)

// From the manual's page on HandshakeV10, without packet headers.
const (
	greeting552 = `0a 35 2e 35 2e 32 2d 6d 32 00 0b 00 00 00 64 76 48 40 49 2d 43 4a 00 ff f7 08 02 00 00 00 00 00
		00 00 00 00 00 00 00 00 00 2a 34 64 7c 63 5a 77 6b 34 5e 5d 3a 00`
	greeting564 = `0a 35 2e 36 2e 34 2d 6d 37 2d 6c 6f 67 00 56 0a 00 00 52 42 33 76 7a 26 47 72 00 ff ff 08 02 00 0f c0
		15 00 00 00 00 00 00 00 00 00 00 2b 79 44 26 2f 5a 5a 33 30 35 5a 47 00
		6d 79 73 71 6c 5f 6e 61 74 69 76 65 5f 70 61 73 73 77 6f 72 64 00`
)

func TestGreetingOfTheManual(t *testing.T) {
	tests := []struct {
		dump string
		want Greeting
	}{
		{greeting552, Greeting{
			ServerVersion: "5.5.2-m2", ConnectionID: 11, Nonce: Nonce([]byte("dvH@I-CJ*4d|cZwk4^]:")),
			Capabilities: 0xf7ff, Collation: CollationLatin1Swedish, Status: StatusAutocommit,
		}},
		{greeting564, Greeting{
			ServerVersion: "5.6.4-m7-log", ConnectionID: 2646, Nonce: Nonce([]byte("RB3vz&Gr+yD&/ZZ305ZG")),
			Capabilities: 0xc00fffff, Collation: CollationLatin1Swedish, Status: StatusAutocommit, Plugin: NativePassword,
		}},
	}
	for _, tt := range tests {
		payload := unhex(t, tt.dump)
		got, err := DecodeGreeting(payload)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("decoded %+v, want %+v", got, tt.want)
		}
		if encoded := got.Append(nil); !reflect.DeepEqual(encoded, payload) {
			t.Errorf("encoded % x, want % x", encoded, payload)
		}
		checkCutOff(t, payload, len(payload)-len(tt.want.Plugin)-1+b2i(tt.want.Plugin == ""), DecodeGreeting)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func FuzzGreeting(f *testing.F) {
	f.Add(unhex(f, greeting552))
	f.Add(unhex(f, greeting564))
	f.Add((&Greeting{ServerVersion: "9.7.4", ConnectionID: 1 << 31, Capabilities: 0xdfffffff, Collation: CollationUTF8MB40900AI,
		Status: StatusAutocommit, Plugin: CachingSHA2Password}).Append(nil))
	f.Add((&Greeting{ServerVersion: "5.5.5-10.11.19-MariaDB", Capabilities: 0x81fff7fe, Plugin: NativePassword}).Append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		checkDecoder(t, payload, DecodeGreeting, func(g Greeting) []byte { return g.Append(nil) })
	})
}
