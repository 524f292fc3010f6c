package wire

import "errors"

// Query is COM_QUERY (sql/protocol_classic.cc, parse_query_bind_params).
//
//	03
//	| with QUERY_ATTRIBUTES: parameters lenenc | parameter sets lenenc = 1
//	|   with parameters: NULL bitmap, (n+7)/8 bytes | 01
//	|     | per parameter: type u8, unsigned u8 (80), name lenenc string
//	|     | per parameter that is not NULL: value as in the binary protocol
//	| SQL to the end of the packet
//
// The parameters are query attributes. They are checked and left out.
type Query struct {
	SQL string
}

var (
	errParameterSets = errors.New("not exactly one parameter set")
	errNoTypes       = errors.New("parameters without types")
)

// DecodeQuery decodes the payload of COM_QUERY. The capabilities are those in
// force.
func DecodeQuery(payload []byte, caps Capabilities) (Query, error) {
	r := NewReader("COM_QUERY", payload)
	r.Expect("command", uint8(ComQuery))
	if caps.Has(CapQueryAttributes) {
		skipQueryAttributes(&r)
	}
	q := Query{SQL: string(r.Rest())}
	return q, r.Err()
}

func skipQueryAttributes(r *Reader) {
	count := r.Lenenc("parameter count")
	if sets := r.Lenenc("parameter set count"); r.Err() == nil && sets != 1 {
		r.Fail("parameter set count", errParameterSets)
	}
	if count == 0 || r.Err() != nil {
		return
	}
	// Each parameter takes three bytes at least, so this bounds the loops and
	// the allocation below.
	if count > uint64(r.Len()) {
		r.Fail("parameter count", ErrTruncated)
		return
	}
	isNull := r.Bytes("NULL bitmap", int(count+7)/8)
	if r.Uint8("new types") != 1 {
		r.Fail("new types", errNoTypes)
		return
	}
	var types []ColumnType
	for i := uint64(0); i < count && r.Err() == nil; i++ {
		types = append(types, ColumnType(r.Uint8("parameter type")))
		r.Uint8("parameter sign")
		r.LenencBytes("parameter name")
	}
	for i, t := range types {
		if r.Err() != nil {
			return
		}
		if isNull[i/8]&(1<<(i%8)) == 0 {
			skipBinaryValue(r, t)
		}
	}
}

func skipBinaryValue(r *Reader, t ColumnType) {
	switch n := t.binaryLength(); n {
	case lengthByte:
		r.Bytes("parameter value", int(r.Uint8("parameter length")))
	case lengthLenenc:
		r.LenencBytes("parameter value")
	default:
		r.Bytes("parameter value", n)
	}
}
