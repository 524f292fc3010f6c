package wire

// Column is one column definition of a result set, Protocol::ColumnDefinition41
// (sql/protocol_classic.cc, Protocol_classic::send_field_metadata).
//
//	"def" | schema | table | original table | name | original name   (lenenc strings)
//	| 0c | collation u16 | length u32 | type u8 | flags u16 | decimals u8 | 00 00
type Column struct {
	Schema    string
	Table     string
	OrgTable  string
	Name      string
	OrgName   string
	Collation uint16
	Length    uint32 // greatest length of a value in bytes, of a number in characters
	Type      ColumnType
	Flags     ColumnFlags
	Decimals  uint8
}

const (
	columnCatalog    = "def"
	columnFixedLen   = 0x0c
	notFixedDecimals = 31 // "no fixed number of decimals": what text has
)

// TextColumn returns the definition of a VAR_STRING column of at most length
// bytes. The collation should be the one the client asked for.
func TextColumn(name string, collation uint16, length uint32, flags ColumnFlags) Column {
	return Column{Name: name, Collation: collation, Length: length, Type: TypeVarString, Flags: flags, Decimals: notFixedDecimals}
}

// IntColumn returns the definition of a LONGLONG column of 20 or 21 digits.
func IntColumn(name string, flags ColumnFlags) Column {
	c := Column{Name: name, Collation: CollationBinary, Length: 21, Type: TypeLongLong, Flags: flags | FlagBinary}
	if flags&FlagUnsigned != 0 {
		c.Length = 20
	}
	return c
}

// DecodeColumn decodes the payload of a column definition.
func DecodeColumn(payload []byte) (Column, error) {
	var c Column
	r := NewReader("ColumnDefinition", payload)
	r.LenencBytes("catalog")
	c.Schema = r.LenencString("schema")
	c.Table = r.LenencString("table")
	c.OrgTable = r.LenencString("original table")
	c.Name = r.LenencString("name")
	c.OrgName = r.LenencString("original name")
	r.Expect("length of fixed fields", columnFixedLen)
	c.Collation = r.Uint16("collation")
	c.Length = r.Uint32("length")
	c.Type = ColumnType(r.Uint8("type"))
	c.Flags = ColumnFlags(r.Uint16("flags"))
	c.Decimals = r.Uint8("decimals")
	r.Bytes("filler", 2)
	return c, r.Err()
}

// Append appends the payload to dst.
func (c *Column) Append(dst []byte) []byte {
	for _, s := range [...]string{columnCatalog, c.Schema, c.Table, c.OrgTable, c.Name, c.OrgName} {
		dst = appendLenencString(dst, s)
	}
	dst = append(dst, columnFixedLen)
	dst = le.AppendUint16(dst, c.Collation)
	dst = le.AppendUint32(dst, c.Length)
	dst = append(dst, byte(c.Type))
	dst = le.AppendUint16(dst, uint16(c.Flags))
	return append(dst, c.Decimals, 0, 0)
}
