package server

import "strings"

// collation is what text columns are said to be in. Nothing is converted: names,
// versions and GTID sets are ASCII, and user variables come back byte for byte.
type collation struct {
	id       uint16
	charset  string
	maxBytes uint32 // of one character
}

// charsets are those that a client may ask for, with the id of their default
// collation (information_schema.collations). utf8mb4 has another default before
// MySQL 8.0 and in MariaDB, see collationNamed.
var charsets = []collation{
	{1, "big5", 2}, {4, "cp850", 1}, {7, "koi8r", 1}, {8, "latin1", 1}, {9, "latin2", 1}, {11, "ascii", 1},
	{12, "ujis", 3}, {13, "sjis", 2}, {16, "hebrew", 1}, {18, "tis620", 1}, {19, "euckr", 2}, {22, "koi8u", 1},
	{24, "gb2312", 2}, {25, "greek", 1}, {26, "cp1250", 1}, {28, "gbk", 2}, {30, "latin5", 1}, {33, "utf8mb3", 3},
	{36, "cp866", 1}, {40, "cp852", 1}, {41, "latin7", 1}, {45, "utf8mb4", 4}, {51, "cp1251", 1}, {57, "cp1256", 1},
	{59, "cp1257", 1}, {63, "binary", 1}, {95, "cp932", 2}, {97, "eucjpms", 3}, {248, "gb18030", 4},
}

const utf8mb40900 = 255 // utf8mb4_0900_ai_ci

// byte is the id for the greeting, which has one byte for it.
func (c collation) byte() uint8 { return uint8(c.id) }

// name is the collation's name: right for default collations, and for others one
// of the same charset.
func (c collation) name() string {
	switch c.id {
	case utf8mb40900:
		return "utf8mb4_0900_ai_ci"
	case 8:
		return "latin1_swedish_ci"
	case 63:
		return "binary"
	}
	return c.charset + "_general_ci"
}

// defaultCollation is the one of the source's version.
func defaultCollation(id Identity) collation {
	c, _ := collationNamed("utf8mb4", id)
	return c
}

// collationNamed returns the default collation of a charset, whose name is in
// lower case. "" means the server's own.
func collationNamed(charset string, id Identity) (collation, bool) {
	switch charset {
	case "":
		charset = "utf8mb4"
	case "utf8":
		charset = "utf8mb3"
	}
	for _, c := range charsets {
		if c.charset == charset {
			if charset == "utf8mb4" && id.number() >= 80000 && !strings.Contains(id.Version, "MariaDB") {
				c.id = utf8mb40900
			}
			return c, true
		}
	}
	return collation{}, false
}

// collationOf returns the collation of a handshake response's id. mysqld takes its
// own default for one that it does not know, 0 for example.
func collationOf(id uint16, server Identity) collation {
	for _, c := range charsets {
		if c.id == id {
			return c
		}
	}
	c := defaultCollation(server)
	if id >= 224 && id <= 247 || id == 46 || id > 248 {
		c.id = id // another one of utf8mb4
	} else if id == 83 || id >= 192 && id <= 223 {
		c, _ = collationNamed("utf8mb3", server)
		c.id = id
	}
	return c
}
