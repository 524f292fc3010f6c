package wire

// OK ends a statement without rows, and a login (OK_Packet;
// sql/protocol_classic.cc, net_send_ok).
//
//	00 | affected rows lenenc | last insert id lenenc | status u16 | warnings u16
//	| info: to the end of the packet, or with SESSION_TRACK a lenenc string
//
// Session state changes, which may follow with SESSION_TRACK, are never sent
// and are skipped.
type OK struct {
	AffectedRows uint64
	LastInsertID uint64
	Status       Status
	Warnings     uint16
	Info         string
}

const okHeader = 0x00

// DecodeOK decodes the payload of an OK packet, or of the packet with header FE
// that ends a result set under DEPRECATE_EOF. The capabilities are those in
// force.
func DecodeOK(payload []byte, caps Capabilities) (OK, error) {
	var ok OK
	r := NewReader("OK", payload)
	if h := r.Uint8("header"); r.Err() == nil && h != okHeader && h != eofHeader {
		r.Fail("header", errWrongByte)
	}
	ok.AffectedRows = r.Lenenc("affected rows")
	ok.LastInsertID = r.Lenenc("last insert id")
	ok.Status = Status(r.Uint16("status"))
	ok.Warnings = r.Uint16("warnings")
	switch {
	case !caps.Has(CapSessionTrack):
		ok.Info = string(r.Rest())
	case r.Len() > 0:
		ok.Info = r.LenencString("info")
	}
	return ok, r.Err()
}

// Append appends the payload to dst. The capabilities are those in force.
func (ok *OK) Append(dst []byte, caps Capabilities) []byte {
	return ok.append(dst, okHeader, caps)
}

func (ok *OK) append(dst []byte, header byte, caps Capabilities) []byte {
	dst = append(dst, header)
	dst = appendLenenc(dst, ok.AffectedRows)
	dst = appendLenenc(dst, ok.LastInsertID)
	dst = le.AppendUint16(dst, uint16(ok.Status))
	dst = le.AppendUint16(dst, ok.Warnings)
	if caps.Has(CapSessionTrack) && ok.Info != "" {
		return appendLenencString(dst, ok.Info)
	}
	return append(dst, ok.Info...)
}
