package wire

import (
	"bytes"
	"maps"
	"reflect"
	"testing"
)

// From the manual's page on HandshakeResponse41, without packet headers.
const (
	response558 = `8d a6 0f 00 00 00 00 01 08 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
		70 61 6d 00 14 ab 09 ee f6 bc b1 32 3e 61 14 38 65 c0 99 1d 95 7d 75 d4 47 74 65 73 74 00
		6d 79 73 71 6c 5f 6e 61 74 69 76 65 5f 70 61 73 73 77 6f 72 64 00`
	response566 = `85 a2 1e 00 00 00 00 40 08 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
		72 6f 6f 74 00 14 22 50 79 a2 12 d4 e8 82 e5 b3 f4 1a 97 75 6b c8 be db 9f 80
		6d 79 73 71 6c 5f 6e 61 74 69 76 65 5f 70 61 73 73 77 6f 72 64 00
		61 03 5f 6f 73 09 64 65 62 69 61 6e 36 2e 30 0c 5f 63 6c 69 65 6e 74 5f 6e 61 6d 65 08 6c 69 62 6d 79 73 71 6c
		04 5f 70 69 64 05 32 32 33 34 34 0f 5f 63 6c 69 65 6e 74 5f 76 65 72 73 69 6f 6e 08 35 2e 36 2e 36 2d 6d 39
		09 5f 70 6c 61 74 66 6f 72 6d 06 78 38 36 5f 36 34 03 66 6f 6f 03 62 61 72`
)

func TestHandshakeResponseOfTheManual(t *testing.T) {
	payload := unhex(t, response558)
	got, err := DecodeHandshakeResponse(payload)
	if err != nil {
		t.Fatal(err)
	}
	want := HandshakeResponse{
		Capabilities: 0x000fa68d, MaxPacketSize: 1 << 24, Collation: CollationLatin1Swedish, User: "pam",
		AuthData: unhex(t, "ab09eef6bcb1323e61143865c0991d957d75d447"), Database: "test", Plugin: NativePassword,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %+v, want %+v", got, want)
	}
	if encoded := got.Append(nil); !bytes.Equal(encoded, payload) {
		t.Errorf("encoded % x, want % x", encoded, payload)
	}

	payload = unhex(t, response566)
	got, err = DecodeHandshakeResponse(payload)
	if err != nil {
		t.Fatal(err)
	}
	if got.User != "root" || got.Database != "" || got.Plugin != NativePassword || len(got.AuthData) != 20 {
		t.Errorf("decoded %+v", got)
	}
	attributes := make(map[string]string)
	for name, value := range got.Attributes.All() {
		attributes[string(name)] = string(value)
	}
	wantAttributes := map[string]string{"_os": "debian6.0", "_client_name": "libmysql", "_pid": "22344",
		"_client_version": "5.6.6-m9", "_platform": "x86_64", "foo": "bar"}
	if !maps.Equal(attributes, wantAttributes) {
		t.Errorf("attributes %v, want %v", attributes, wantAttributes)
	}
	if encoded := got.Append(nil); !bytes.Equal(encoded, payload) {
		t.Errorf("encoded % x, want % x", encoded, payload)
	}
}

// The capability words are those captured from each client.
func TestHandshakeResponseInTheFormsOfRealClients(t *testing.T) {
	full := HandshakeResponse{User: "repl", AuthData: randomBytes(32), Database: "information_schema", Plugin: CachingSHA2Password,
		Attributes: Attributes(nil).With("_client_role", "binary_log_listener"), Collation: 45}
	tests := []struct {
		client string
		caps   Capabilities
	}{
		{"MySQL 8.0.15 replica", 0x81b8a205}, {"MySQL 9.7 replica", 0x99b8a285}, {"mysqlbinlog 9.7", 0x19bea285},
		{"go-mysql", 0x0918a205}, {"mysql_async", 0x010fa281}, {"Connector/J 9.1", 0x193ea207},
		{"osheroff", 0x00288204}, {"Canal", 0x0009a605}, {"MariaDB replica", 0x8038a205},
		{"mariadb-binlog", 0x00bea285}, {"PyMySQL", 0x003aa205}, {"mysql2", 0x18baf3cf},
	}
	for _, tt := range tests {
		t.Run(tt.client, func(t *testing.T) {
			want := full
			want.Capabilities = tt.caps
			if !tt.caps.Has(CapConnectWithDB) {
				want.Database = ""
			}
			if !tt.caps.Has(CapConnectAttrs) {
				want.Attributes = nil
			}
			got, err := DecodeHandshakeResponse(want.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("decoded %+v, want %+v", got, want)
			}
		})
	}
}

func TestHandshakeResponseWithoutItsTail(t *testing.T) {
	h := HandshakeResponse{Capabilities: LoginCapabilities &^ CapConnectWithDB, User: "repl", AuthData: []byte("0123456789")}
	payload := h.Append(nil)
	payload = payload[:len(payload)-2] // no plug-in name, no attributes: the driver "mysql"
	checkCutOff(t, payload, len(payload), DecodeHandshakeResponse)

	h.Plugin = NativePassword
	h.Capabilities &^= CapConnectAttrs
	payload = h.Append(nil)
	got, err := DecodeHandshakeResponse(payload[:len(payload)-1]) // name without its NUL
	if err != nil || got.Plugin != NativePassword {
		t.Errorf("plug-in %q, %v", got.Plugin, err)
	}
}

func TestHandshakeResponseOfBefore41IsRefused(t *testing.T) {
	// The manual's example of HandshakeResponse320.
	if _, err := DecodeHandshakeResponse(unhex(t, "85 24 00 00 00 6f 6c 64 00 47 44 53 43 51 59 52 5f")); err == nil {
		t.Error("decoded")
	}
}

func TestAttributesThatDoNotDecodeEndTheList(t *testing.T) {
	a := Attributes(nil).With("program_name", "mysqld").With("", "").With("program_name", "second")
	if got := a.Get("program_name"); got != "mysqld" {
		t.Errorf("Get = %q", got)
	}
	if got := a.Get("_client_role"); got != "" {
		t.Errorf("Get of what is not there = %q", got)
	}
	n := 0
	for range append(a, "\x05abc"...).All() {
		n++
	}
	if n != 3 {
		t.Errorf("%d pairs, want 3", n)
	}
}

func FuzzHandshakeResponse(f *testing.F) {
	f.Add(unhex(f, response558))
	f.Add(unhex(f, response566))
	for _, caps := range []Capabilities{0x99b8a285, 0x0009a605, 0x00288204, 0x8038a205, LoginCapabilities | CapZstd} {
		f.Add((&HandshakeResponse{Capabilities: caps, User: "repl", AuthData: make([]byte, 20), Database: "d", Plugin: NativePassword,
			Attributes: Attributes(nil).With("_client_name", "libmysql"), ZstdLevel: 3}).Append(nil))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		h, ok := checkDecoder(t, payload, DecodeHandshakeResponse, func(h HandshakeResponse) []byte { return h.Append(nil) })
		if !ok {
			return
		}
		size := 0
		for name, value := range h.Attributes.All() {
			size += 2 + len(name) + len(value)
		}
		if size > len(h.Attributes) {
			t.Fatalf("%d bytes of attributes from %d", size, len(h.Attributes))
		}
	})
}
