package replication

import "strconv"

// String gives the text that mysqld prints for @@gtid_executed
// (sql/rpl_gtid_set.cc, Gtid_set::to_string): "uuid:1-8:11:tag_one:1:5", sorted by
// UUID and then tag, ",\n" between UUIDs, "" for an empty set.
func (s *GTIDSet) String() string {
	var dst []byte
	all := s.all()
	for i, stream := range all {
		if i == 0 || all[i-1].id.uuid != stream.id.uuid {
			if i > 0 {
				dst = append(dst, ",\n"...)
			}
			dst = stream.id.uuid.appendText(dst)
		}
		if stream.id.tag != "" {
			dst = append(append(dst, ':'), stream.id.tag...)
		}
		for _, iv := range stream.intervals {
			dst = strconv.AppendInt(append(dst, ':'), iv.start, 10)
			if last := iv.end - 1; last > iv.start {
				dst = strconv.AppendInt(append(dst, '-'), last, 10)
			}
		}
	}
	return string(dst)
}

// ParseGTIDSet reads a set as GTID_SUBSET and GTID_SUBTRACT of MySQL 9.7 do
// (libs/mysql/gtids/strconv/gtid_text_format_conv.h). The text is a list of UUIDs
// with commas between them, each followed by any number of ":tag", ":n" and
// ":first-last"; a tag holds for what follows it up to the next tag or UUID. White
// space may stand around each part and parts between commas may be empty; UUIDs may
// come again and numbers overlap; a UUID or tag without numbers and a range that
// ends before it begins add nothing.
//
// The parser of older servers, which gtid_purged still has in 9.7
// (sql/rpl_gtid_set.cc, Gtid_set::add_gtid_text), takes the same texts apart from
// UUIDs without dashes or in braces. It takes some that this one refuses ("uuid:5-"
// as empty), and it reads numbers that begin with 0 as octal; these are refused here
// although 9.7's functions take them as decimal. A failure is a *GTIDSyntaxError.
func ParseGTIDSet(s string) (*GTIDSet, error) {
	sc := gtidScanner{what: "GTID set", text: s}
	var b gtidSetBuilder
	for {
		sc.space()
		for sc.peek() == ',' {
			sc.pos++
			sc.space()
		}
		if sc.atEnd() {
			return b.set(), nil
		}
		if err := parseGTIDSetPart(&sc, &b); err != nil {
			return nil, err
		}
	}
}

// parseGTIDSetPart reads one UUID and what belongs to it, up to the comma or the end.
func parseGTIDSetPart(sc *gtidScanner, b *gtidSetBuilder) error {
	uuid, err := sc.uuid()
	if err != nil {
		return err
	}
	id := gtidStreamID{uuid: uuid}
	for sc.peek() == ':' {
		sc.pos++
		sc.space()
		if sc.atTag() {
			if id.tag, err = sc.tag(); err != nil {
				return err
			}
			continue
		}
		first, err := sc.positive()
		if err != nil {
			return err
		}
		last := first
		if sc.peek() == '-' {
			sc.pos++
			sc.space()
			if last, err = sc.number(); err != nil {
				return err
			}
		}
		if first <= last {
			b.add(id, interval{first, last + 1})
		}
	}
	if !sc.atEnd() && sc.peek() != ',' {
		return sc.expected("':', ',' or the end")
	}
	return nil
}
