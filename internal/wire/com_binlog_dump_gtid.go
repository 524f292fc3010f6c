package wire

import "errors"

// BinlogDumpGTID is COM_BINLOG_DUMP_GTID (sql/rpl_source.cc,
// com_binlog_dump_gtid).
//
//	1e | flags u16 | server id u32 | name length u32 | file name | position u64
//	| data length u32 | encoded GTID set
//
// The name ends at its first NUL: some clients send no name as one or more of
// them.
type BinlogDumpGTID struct {
	Flags    DumpFlags
	ServerID uint32 // becomes the session's; 0 asks for a non-blocking dump
	File     string // as the client sent it; "" lets the server choose
	Position uint64
	GTIDSet  []byte // undecoded: if it is broken the answer is ERMalformedGTIDSet
}

// maxDumpFile is the longest file name that mysqld takes here (FN_REFLEN).
const maxDumpFile = 512

var errFileNameTooLong = errors.New("more than 512 bytes")

// DecodeBinlogDumpGTID decodes the payload of COM_BINLOG_DUMP_GTID. GTIDSet
// aliases it.
func DecodeBinlogDumpGTID(payload []byte) (BinlogDumpGTID, error) {
	var d BinlogDumpGTID
	r := NewReader("COM_BINLOG_DUMP_GTID", payload)
	r.Expect("command", uint8(ComBinlogDumpGTID))
	d.Flags = DumpFlags(r.Uint16("flags"))
	d.ServerID = r.Uint32("server id")
	if n := r.Uint32("name length"); n <= maxDumpFile {
		d.File = untilNul(string(r.Bytes("file name", int(n))))
	} else {
		r.Fail("name length", errFileNameTooLong)
	}
	d.Position = r.Uint64("position")
	if n := r.Uint32("data length"); uint64(n) <= uint64(r.Len()) {
		d.GTIDSet = r.Bytes("GTID set", int(n))
	} else {
		r.Fail("data length", ErrTruncated)
	}
	return d, r.Err()
}

// Append appends the payload to dst.
func (d *BinlogDumpGTID) Append(dst []byte) []byte {
	file := untilNul(d.File)
	dst = append(dst, byte(ComBinlogDumpGTID))
	dst = le.AppendUint16(dst, uint16(d.Flags))
	dst = le.AppendUint32(dst, d.ServerID)
	dst = le.AppendUint32(dst, uint32(len(file)))
	dst = append(dst, file...)
	dst = le.AppendUint64(dst, d.Position)
	dst = le.AppendUint32(dst, uint32(len(d.GTIDSet)))
	return append(dst, d.GTIDSet...)
}
