package wire

// InitDB is COM_INIT_DB, the command behind USE.
//
//	02 | database to the end of the packet
type InitDB struct {
	Database string
}

// DecodeInitDB decodes the payload of COM_INIT_DB.
func DecodeInitDB(payload []byte) (InitDB, error) {
	r := NewReader("COM_INIT_DB", payload)
	r.Expect("command", uint8(ComInitDB))
	d := InitDB{Database: string(r.Rest())}
	return d, r.Err()
}

// Append appends the payload to dst.
func (d *InitDB) Append(dst []byte) []byte {
	return append(append(dst, byte(ComInitDB)), d.Database...)
}
