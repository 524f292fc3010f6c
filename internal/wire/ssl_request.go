package wire

// SSLRequest asks the server to go on over TLS. It is the beginning of a
// HandshakeResponse, which follows in full inside TLS, with the next sequence
// number (Protocol::SSLRequest; parse_client_handshake_packet).
//
//	capabilities u32 with SSL | max packet size u32 | collation u8 | 23 zeros
//
// Connector/J of old sends only the capabilities.
type SSLRequest struct {
	Capabilities  Capabilities
	MaxPacketSize uint32
	Collation     uint8
}

const sslRequestLen = 32

// IsSSLRequest reports whether the payload of a client's first packet is an
// SSLRequest and not a HandshakeResponse, which is longer.
func IsSSLRequest(payload []byte) bool {
	return (len(payload) == sslRequestLen || len(payload) == 4) &&
		Capabilities(le.Uint32(payload)).Has(CapSSL)
}

// DecodeSSLRequest decodes the payload of an SSLRequest.
func DecodeSSLRequest(payload []byte) (SSLRequest, error) {
	var s SSLRequest
	r := NewReader("SSLRequest", payload)
	s.Capabilities = Capabilities(r.Uint32("capabilities"))
	if r.Len() > 0 {
		s.MaxPacketSize = r.Uint32("max packet size")
		s.Collation = r.Uint8("collation")
		r.Bytes("reserved", 23)
	}
	return s, r.Err()
}

// Append appends the payload to dst.
func (s *SSLRequest) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, uint32(s.Capabilities|CapSSL))
	dst = le.AppendUint32(dst, s.MaxPacketSize)
	dst = append(dst, s.Collation)
	return appendZeros(dst, 23)
}
