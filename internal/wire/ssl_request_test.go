package wire

import "testing"

func TestSSLRequestIsToldFromAResponse(t *testing.T) {
	request := SSLRequest{Capabilities: LoginCapabilities | CapSSL, MaxPacketSize: 1 << 24, Collation: 45}
	response := HandshakeResponse{Capabilities: LoginCapabilities | CapSSL}
	withoutSSL := HandshakeResponse{Capabilities: CapProtocol41}
	tests := []struct {
		name    string
		payload []byte
		want    bool
	}{
		{"request", request.Append(nil), true},
		{"request of four bytes", request.Append(nil)[:4], true},
		{"response inside TLS", response.Append(nil), false},
		{"32 bytes without the bit", withoutSSL.Append(nil)[:32], false},
		{"empty", nil, false},
		{"too short", request.Append(nil)[:3], false},
	}
	for _, tt := range tests {
		if got := IsSSLRequest(tt.payload); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if full := response.Append(nil); string(request.Append(nil)[9:]) != string(full[9:32]) {
		t.Error("the request is not the beginning of a response")
	}
}

func FuzzSSLRequest(f *testing.F) {
	f.Add((&SSLRequest{Capabilities: 0x99b8aa85, MaxPacketSize: 1 << 30, Collation: 255}).Append(nil))
	f.Add([]byte("\x85\xaa\x1e\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if !IsSSLRequest(payload) {
			return
		}
		if _, ok := checkDecoder(t, payload, DecodeSSLRequest, func(s SSLRequest) []byte { return s.Append(nil) }); !ok {
			t.Fatal("recognised, but not decoded")
		}
	})
}
