package wire

// Greeting is the server's first packet, Protocol::HandshakeV10
// (sql/auth/sql_authentication.cc, send_server_handshake_packet).
//
//	0a | server version NUL | connection id u32 | nonce[0:8] | 00
//	| capabilities, lower u16 | collation u8 | status u16 | capabilities, upper u16
//	| 15 (length of nonce with its NUL) | 10 zeros | nonce[8:20] NUL | plug-in NUL
type Greeting struct {
	ServerVersion string // steers clients; see "What the greeting must say" in the client notes
	ConnectionID  uint32
	Nonce         Nonce
	Capabilities  Capabilities
	Collation     uint8 // must be one that clients know: some send it back, Connector/J maps it
	Status        Status
	Plugin        string // the authentication plug-in that Nonce is meant for
}

const protocolVersion = 10

// DecodeGreeting decodes the payload of a greeting. A server that cannot take
// the client sends ERR instead: see IsError.
func DecodeGreeting(payload []byte) (Greeting, error) {
	var g Greeting
	r := NewReader("Handshake", payload)
	r.Expect("protocol version", protocolVersion)
	g.ServerVersion = r.NulString("server version")
	g.ConnectionID = r.Uint32("connection id")
	copy(g.Nonce[:8], r.Bytes("nonce", 8))
	r.Uint8("filler")
	g.Capabilities = Capabilities(r.Uint16("capabilities"))
	g.Collation = r.Uint8("collation")
	g.Status = Status(r.Uint16("status"))
	g.Capabilities |= Capabilities(r.Uint16("upper capabilities")) << 16
	nonceLen := int(r.Uint8("nonce length"))
	r.Bytes("reserved", 10)
	copy(g.Nonce[8:], r.Bytes("rest of nonce", max(13, nonceLen-8)))
	if g.Capabilities.Has(CapPluginAuth) {
		g.Plugin = r.FinalString("plug-in") // without its NUL in 5.5.7 to 5.5.9
	}
	return g, r.Err()
}

// Append appends the payload to dst.
func (g *Greeting) Append(dst []byte) []byte {
	dst = append(dst, protocolVersion)
	dst = appendNulString(dst, g.ServerVersion)
	dst = le.AppendUint32(dst, g.ConnectionID)
	dst = append(dst, g.Nonce[:8]...)
	dst = append(dst, 0)
	dst = le.AppendUint16(dst, uint16(g.Capabilities))
	dst = append(dst, g.Collation)
	dst = le.AppendUint16(dst, uint16(g.Status))
	dst = le.AppendUint16(dst, uint16(g.Capabilities>>16))
	if g.Capabilities.Has(CapPluginAuth) {
		dst = append(dst, NonceLen+1)
	} else {
		dst = append(dst, 0)
	}
	dst = appendZeros(dst, 10)
	dst = append(dst, g.Nonce[8:]...)
	dst = append(dst, 0)
	if g.Capabilities.Has(CapPluginAuth) {
		dst = appendNulString(dst, g.Plugin)
	}
	return dst
}
