package wire

// DumpFlags are the flags of both dump commands.
type DumpFlags uint16

const (
	// DumpNonBlock asks for EOF at the end of the log instead of waiting.
	DumpNonBlock DumpFlags = 0x0001
	// DumpHeartbeatV2 is MySQL's USE_HEARTBEAT_EVENT_V2, set by replicas since
	// 8.0.26. To MariaDB, Canal and Maxwell the same bit means "send
	// ANNOTATE_ROWS", so it alone proves nothing.
	DumpHeartbeatV2 DumpFlags = 0x0002
	// DumpThroughGTID is set by several libraries, and by MySQL replicas that
	// leave their tagged GTIDs out. mysqld ignores it on receipt.
	DumpThroughGTID DumpFlags = 0x0004
)

// BinlogDump is COM_BINLOG_DUMP (sql/rpl_source.cc, com_binlog_dump).
//
//	12 | position u32 | flags u16 | server id u32 | file name to NUL or end
type BinlogDump struct {
	Position uint32 // no room for more than 4 GiB: COM_BINLOG_DUMP_GTID has
	Flags    DumpFlags
	ServerID uint32 // becomes the session's; 0 asks for a non-blocking dump
	File     string // as the client sent it; "" is the first file
}

// DecodeBinlogDump decodes the payload of COM_BINLOG_DUMP.
func DecodeBinlogDump(payload []byte) (BinlogDump, error) {
	var d BinlogDump
	r := NewReader("COM_BINLOG_DUMP", payload)
	r.Expect("command", uint8(ComBinlogDump))
	d.Position = r.Uint32("position")
	d.Flags = DumpFlags(r.Uint16("flags"))
	d.ServerID = r.Uint32("server id")
	d.File = r.FinalString("file name")
	return d, r.Err()
}

// Append appends the payload to dst.
func (d *BinlogDump) Append(dst []byte) []byte {
	dst = append(dst, byte(ComBinlogDump))
	dst = le.AppendUint32(dst, d.Position)
	dst = le.AppendUint16(dst, uint16(d.Flags))
	dst = le.AppendUint32(dst, d.ServerID)
	return append(dst, untilNul(d.File)...)
}
