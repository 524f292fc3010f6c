package wire

// AuthSwitchRequest tells the client to answer for another plug-in, or with
// another nonce (Protocol::AuthSwitchRequest; sql/auth/sql_authentication.cc,
// send_plugin_request_packet). The answer is a packet with nothing but the auth
// data.
//
//	fe | plug-in NUL | nonce NUL
type AuthSwitchRequest struct {
	Plugin string
	Nonce  Nonce
}

const authSwitchHeader = 0xfe

// DecodeAuthSwitchRequest decodes the payload of an AuthSwitchRequest for a
// plug-in with a 20-byte nonce, as all plug-ins of this package are.
func DecodeAuthSwitchRequest(payload []byte) (AuthSwitchRequest, error) {
	var a AuthSwitchRequest
	r := NewReader("AuthSwitchRequest", payload)
	r.Expect("header", authSwitchHeader)
	a.Plugin = r.NulString("plug-in")
	copy(a.Nonce[:], r.Bytes("nonce", NonceLen))
	return a, r.Err()
}

// Append appends the payload to dst.
func (a *AuthSwitchRequest) Append(dst []byte) []byte {
	dst = append(dst, authSwitchHeader)
	dst = appendNulString(dst, a.Plugin)
	dst = append(dst, a.Nonce[:]...)
	return append(dst, 0)
}
