package wire

// EOF is the classic packet that ends column definitions and rows for clients
// without DEPRECATE_EOF, and a non-blocking dump for every client
// (EOF_Packet; sql/protocol_classic.cc, write_eof_packet).
//
//	fe | warnings u16 | status u16
type EOF struct {
	Warnings uint16
	Status   Status
}

const (
	eofHeader = 0xfe
	eofLen    = 5
)

// IsEOF reports whether a payload in a result set is an EOF packet. Only its
// length tells it from a row that begins with a very long string.
func IsEOF(payload []byte) bool { return len(payload) == eofLen && payload[0] == eofHeader }

// DecodeEOF decodes the payload of an EOF packet.
func DecodeEOF(payload []byte) (EOF, error) {
	var e EOF
	r := NewReader("EOF", payload)
	r.Expect("header", eofHeader)
	e.Warnings = r.Uint16("warnings")
	e.Status = Status(r.Uint16("status"))
	return e, r.Err()
}

// Append appends the payload to dst.
func (e EOF) Append(dst []byte) []byte {
	dst = append(dst, eofHeader)
	dst = le.AppendUint16(dst, e.Warnings)
	return le.AppendUint16(dst, uint16(e.Status))
}

// AppendResultSetEnd appends the payload that ends the rows of a result set: EOF,
// or under DEPRECATE_EOF an OK packet with header FE. It is not for the end of a
// dump, which is always EOF.
func AppendResultSetEnd(dst []byte, caps Capabilities, status Status) []byte {
	if !caps.Has(CapDeprecateEOF) {
		return EOF{Status: status}.Append(dst)
	}
	ok := OK{Status: status}
	return ok.append(dst, eofHeader, caps)
}
