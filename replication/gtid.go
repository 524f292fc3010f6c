package replication

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// GTID is the identifier of one transaction in the MySQL family. GTIDs may be
// compared with ==. Write literals with field names: MariaDB's identifiers will
// get fields beside these.
type GTID struct {
	UUID   UUID
	Tag    Tag   // "" is untagged, the only kind before 8.3
	Number int64 // 1 to MaxGTIDNumber
}

// MaxGTIDNumber is the largest number a transaction can have: mysqld's GNO_END
// (sql/rpl_gtid.h) is 2^63-1 and stands behind the last one.
const MaxGTIDNumber = math.MaxInt64 - 1

// String gives "uuid:5", or "uuid:tag:5" with a tag.
func (g GTID) String() string {
	dst := g.UUID.appendText(make([]byte, 0, 96))
	if g.Tag != "" {
		dst = append(append(dst, ':'), g.Tag...)
	}
	return string(strconv.AppendInt(append(dst, ':'), g.Number, 10))
}

// ParseGTID reads one GTID as SET gtid_next does (sql/rpl_gtid_misc.cc,
// Gtid::parse): white space may stand around each part, and letters may be in
// either case. Beyond that it takes a UUID in each form of ParseUUID, and refuses a
// number with a leading zero, which mysqld takes for octal. A failure is a
// *GTIDSyntaxError.
func ParseGTID(s string) (GTID, error) {
	sc := gtidScanner{what: "GTID", text: s}
	var g GTID
	var err error
	sc.space()
	if g.UUID, err = sc.uuid(); err != nil {
		return GTID{}, err
	}
	if err = sc.colon(); err != nil {
		return GTID{}, err
	}
	if sc.atTag() {
		if g.Tag, err = sc.tag(); err != nil {
			return GTID{}, err
		}
		if err = sc.colon(); err != nil {
			return GTID{}, err
		}
	}
	if g.Number, err = sc.positive(); err != nil {
		return GTID{}, err
	}
	if !sc.atEnd() {
		return GTID{}, sc.expected("the end")
	}
	return g, nil
}

// Tag is the part of a GTID between UUID and number that MySQL has since 8.3: 1 to
// 32 characters [a-z_][a-z0-9_]*, or "" for none.
type Tag string

const maxTagSize = 32

// String gives the tag itself.
func (t Tag) String() string { return string(t) }

// ParseTag reads a tag and turns it to lower case, as mysqld does
// (libs/mysql/gtid/tag.cpp, Tag::from_cstring). The empty string is no tag and
// reads as "". Nothing may stand around it. A failure is a *GTIDSyntaxError.
func ParseTag(s string) (Tag, error) {
	for i := range len(s) {
		if i == maxTagSize {
			return "", &GTIDSyntaxError{What: "tag", Offset: i, Reason: "longer than 32 characters"}
		}
		if !isTagByte(s[i], i) {
			return "", &GTIDSyntaxError{What: "tag", Offset: i, Reason: fmt.Sprintf("%q cannot stand here", s[i:i+1])}
		}
	}
	return Tag(strings.ToLower(s)), nil
}

// isTagByte reports whether c may be the i-th character of a tag, in either case.
func isTagByte(c byte, i int) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9'
}

// valid reports whether the tag is one that ParseTag gives.
func (t Tag) valid() bool {
	parsed, err := ParseTag(string(t))
	return err == nil && parsed == t
}

// GTIDSyntaxError says where a text or encoding of a UUID, tag, GTID or GTID set
// cannot be read, and why.
type GTIDSyntaxError struct {
	What   string // "UUID", "tag", "GTID", "GTID set", "GTID set encoding"
	Offset int    // bytes before the place
	Reason string
}

func (e *GTIDSyntaxError) Error() string {
	return fmt.Sprintf("malformed %s at offset %d: %s", e.What, e.Offset, e.Reason)
}
