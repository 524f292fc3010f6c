package wire

import "fmt"

// ResultSet is the answer to a query with rows, in the text protocol
// (ProtocolText::Resultset). Each line is a payload of its own:
//
//	column count lenenc
//	column definition            per column
//	EOF                          unless DEPRECATE_EOF
//	row                          per row
//	EOF, or under DEPRECATE_EOF OK with header FE
type ResultSet struct {
	Columns []Column
	Rows    [][]Value
	Status  Status // of the closing packet
}

// WriteResultSet writes rs for a client with these capabilities in force. It
// does not flush. A set without columns, or a row of another width, is an error
// before anything is written: a client would read it as something else.
func (c *Conn) WriteResultSet(rs *ResultSet, caps Capabilities) error {
	if len(rs.Columns) == 0 {
		return fmt.Errorf("result set without columns")
	}
	for i, row := range rs.Rows {
		if len(row) != len(rs.Columns) {
			return fmt.Errorf("row %d of a result set has %d values for %d columns", i, len(row), len(rs.Columns))
		}
	}
	if err := c.WriteColumns(rs.Columns, caps, rs.Status); err != nil {
		return err
	}
	var buf []byte
	for _, row := range rs.Rows {
		buf = AppendRow(buf[:0], row)
		if err := c.WritePacket(buf); err != nil {
			return err
		}
	}
	return c.WritePacket(AppendResultSetEnd(buf[:0], caps, rs.Status))
}

// WriteColumns writes the beginning of a result set, up to the first row. The
// caller goes on with payloads of AppendRow and AppendResultSetEnd.
func (c *Conn) WriteColumns(columns []Column, caps Capabilities, status Status) error {
	buf := appendLenenc(nil, uint64(len(columns)))
	if err := c.WritePacket(buf); err != nil {
		return err
	}
	for i := range columns {
		buf = columns[i].Append(buf[:0])
		if err := c.WritePacket(buf); err != nil {
			return err
		}
	}
	if caps.Has(CapDeprecateEOF) {
		return nil
	}
	return c.WritePacket(EOF{Status: status}.Append(buf[:0]))
}
