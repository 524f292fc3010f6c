package wire

// AuthMoreData carries what a plug-in on the server says to its counterpart
// during login (Protocol::AuthMoreData). The client's own data has no header.
//
//	01 | data
type AuthMoreData struct {
	Data []byte
}

const authMoreDataHeader = 0x01

// DecodeAuthMoreData decodes the payload of an AuthMoreData. Data aliases it.
func DecodeAuthMoreData(payload []byte) (AuthMoreData, error) {
	r := NewReader("AuthMoreData", payload)
	r.Expect("header", authMoreDataHeader)
	a := AuthMoreData{Data: r.Rest()}
	return a, r.Err()
}

// Append appends the payload to dst.
func (a *AuthMoreData) Append(dst []byte) []byte {
	return append(append(dst, authMoreDataHeader), a.Data...)
}
