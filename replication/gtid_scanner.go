package replication

import (
	"fmt"
	"strings"
)

// gtidScanner reads the parts that the texts of GTIDs and GTID sets are made of.
// Each part takes the white space behind it along, as mysqld's parsers do.
type gtidScanner struct {
	what string // for errors
	text string
	pos  int
}

func (s *gtidScanner) atEnd() bool { return s.pos == len(s.text) }

// peek gives the next byte, 0 at the end. A NUL in the text stands for nothing in
// the grammar, so that the two are told apart by whoever looks for the end.
func (s *gtidScanner) peek() byte {
	if s.atEnd() {
		return 0
	}
	return s.text[s.pos]
}

func (s *gtidScanner) expected(what string) error {
	found := "the end"
	if !s.atEnd() {
		found = fmt.Sprintf("%q", s.text[s.pos:s.pos+1])
	}
	return s.fail("expected " + what + ", found " + found)
}

func (s *gtidScanner) fail(reason string) error {
	return &GTIDSyntaxError{What: s.what, Offset: s.pos, Reason: reason}
}

func (s *gtidScanner) space() {
	for !s.atEnd() && isSpace(s.text[s.pos]) {
		s.pos++
	}
}

// isSpace is C's isspace, which mysqld uses.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func (s *gtidScanner) colon() error {
	if s.peek() != ':' {
		return s.expected("':'")
	}
	s.pos++
	s.space()
	return nil
}

func (s *gtidScanner) uuid() (UUID, error) {
	u, size, ok := scanUUID(s.text[s.pos:])
	s.pos += size
	if !ok {
		return UUID{}, s.expected("a UUID")
	}
	s.space()
	return u, nil
}

// atTag reports whether a tag begins here: numbers begin with a digit, tags do not.
func (s *gtidScanner) atTag() bool { return isTagByte(s.peek(), 0) }

func (s *gtidScanner) tag() (Tag, error) {
	end := s.pos
	for end < len(s.text) && isTagByte(s.text[end], end-s.pos) {
		end++
	}
	if end-s.pos > maxTagSize {
		return "", s.fail("a tag is longer than 32 characters")
	}
	t := Tag(strings.ToLower(s.text[s.pos:end]))
	s.pos = end
	s.space()
	return t, nil
}

// number reads a decimal number from 0 to MaxGTIDNumber. It refuses a leading zero:
// one and the same mysqld 9.7 reads 010 as 10 in GTID_SUBTRACT, and as 8 in
// gtid_next and gtid_purged (parse_gno calls strtoll with base 0).
func (s *gtidScanner) number() (int64, error) {
	start := s.pos
	var n int64
	for ; !s.atEnd() && s.text[s.pos] >= '0' && s.text[s.pos] <= '9'; s.pos++ {
		digit := int64(s.text[s.pos] - '0')
		if n > (MaxGTIDNumber-digit)/10 {
			s.pos = start
			return 0, s.fail("a number is larger than 9223372036854775806")
		}
		n = n*10 + digit
	}
	if s.pos == start {
		return 0, s.expected("a number")
	}
	if s.text[start] == '0' && s.pos > start+1 {
		s.pos = start
		return 0, s.fail("a number has a leading zero")
	}
	s.space()
	return n, nil
}

// positive reads a decimal number from 1 to MaxGTIDNumber.
func (s *gtidScanner) positive() (int64, error) {
	start := s.pos
	n, err := s.number()
	if err == nil && n == 0 {
		s.pos = start
		err = s.fail("numbers begin at 1")
	}
	return n, err
}
