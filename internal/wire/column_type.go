package wire

// ColumnType is the type byte of a column definition or of a bound parameter
// (include/field_types.h, enum_field_types).
type ColumnType uint8

const (
	TypeDecimal    ColumnType = 0x00
	TypeTiny       ColumnType = 0x01
	TypeShort      ColumnType = 0x02
	TypeLong       ColumnType = 0x03
	TypeFloat      ColumnType = 0x04
	TypeDouble     ColumnType = 0x05
	TypeNull       ColumnType = 0x06
	TypeTimestamp  ColumnType = 0x07
	TypeLongLong   ColumnType = 0x08
	TypeInt24      ColumnType = 0x09
	TypeDate       ColumnType = 0x0a
	TypeTime       ColumnType = 0x0b
	TypeDatetime   ColumnType = 0x0c
	TypeYear       ColumnType = 0x0d
	TypeBool       ColumnType = 0xf4
	TypeNewDecimal ColumnType = 0xf6
	TypeBlob       ColumnType = 0xfc
	TypeVarString  ColumnType = 0xfd
	TypeString     ColumnType = 0xfe
)

// ColumnFlags are the *_FLAG bits of a column definition (include/mysql_com.h).
type ColumnFlags uint16

const (
	FlagNotNull  ColumnFlags = 0x0001
	FlagBlob     ColumnFlags = 0x0010
	FlagUnsigned ColumnFlags = 0x0020
	FlagBinary   ColumnFlags = 0x0080
)

// binaryLength returns how many bytes a non-NULL value of this type has in the
// binary protocol. For a temporal type the length is a byte before the value,
// for everything else of variable size a length-encoded integer; then it
// returns one of the two constants below.
func (t ColumnType) binaryLength() int {
	switch t {
	case TypeNull:
		return 0
	case TypeTiny, TypeBool:
		return 1
	case TypeShort, TypeYear:
		return 2
	case TypeLong, TypeInt24, TypeFloat:
		return 4
	case TypeLongLong, TypeDouble:
		return 8
	case TypeDate, TypeTime, TypeDatetime, TypeTimestamp:
		return lengthByte
	default:
		return lengthLenenc
	}
}

const (
	lengthByte   = -1
	lengthLenenc = -2
)
