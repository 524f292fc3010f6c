package sql

import "strings"

// lexer cuts a statement into tokens, one at a time. It knows MySQL's lexical
// rules in the default SQL mode: no ANSI_QUOTES, no NO_BACKSLASH_ESCAPES.
type lexer struct {
	text string
	pos  int
	// version decides whether /*!NNNNN … */ is executed, as mysqld's own does.
	version uint32
	// executed counts the open /*! comments whose content is being read.
	executed int
}

// next returns the next token. At the end, and ever after, it is tokenEnd.
func (l *lexer) next() token {
	if !l.skipBlanks() {
		return token{kind: tokenBad, start: l.pos, end: len(l.text)}
	}
	start := l.pos
	if start == len(l.text) {
		if l.executed > 0 {
			return token{kind: tokenBad, start: start, end: start}
		}
		return token{kind: tokenEnd, start: start, end: start}
	}
	t := l.scan(l.text[start])
	t.start, t.end = start, l.pos
	return t
}

func (l *lexer) scan(c byte) token {
	switch {
	case c == '\'' || c == '"':
		return l.scanString(c)
	case c == '`':
		return l.scanQuotedName()
	case c == '@':
		return l.scanVariable()
	case isDigit(c) || c == '.' && isDigit(l.peek(1)):
		return l.scanNumber()
	case isWordByte(c):
		return l.scanWord()
	}
	return l.scanPunct()
}

// peek returns the byte n places ahead, 0 behind the end.
func (l *lexer) peek(n int) byte {
	if l.pos+n < len(l.text) {
		return l.text[l.pos+n]
	}
	return 0
}

// skipBlanks moves to the next token. It reports false when a comment has no end.
func (l *lexer) skipBlanks() bool {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case isBlank(c):
			l.pos++
		case c == '#' || c == '-' && l.peek(1) == '-' && endsDashes(l.peek(2)):
			l.skipLine()
		case c == '/' && l.peek(1) == '*':
			if !l.skipComment() {
				return false
			}
		case c == '*' && l.peek(1) == '/' && l.executed > 0:
			l.pos += 2
			l.executed--
		default:
			return true
		}
	}
	return true
}

func (l *lexer) skipLine() {
	if i := strings.IndexByte(l.text[l.pos:], '\n'); i >= 0 {
		l.pos += i + 1
		return
	}
	l.pos = len(l.text)
}

// skipComment skips /* … */, or enters /*! … */ when its version, if any, is not
// above ours. It reports false when the comment has no end.
func (l *lexer) skipComment() bool {
	if l.peek(2) == '!' {
		version, digits := l.commentVersion(l.pos + 3)
		if digits == 0 || l.version == 0 || version <= l.version {
			l.pos += 3 + digits
			l.executed++
			return true
		}
	}
	end := strings.Index(l.text[l.pos+2:], "*/")
	if end < 0 {
		return false
	}
	l.pos += 2 + end + 2
	return true
}

// commentVersion reads the five or six digits behind "/*!".
func (l *lexer) commentVersion(at int) (version uint32, digits int) {
	for at+digits < len(l.text) && digits < 6 && isDigit(l.text[at+digits]) {
		version = version*10 + uint32(l.text[at+digits]-'0')
		digits++
	}
	if digits < 5 {
		return 0, 0
	}
	return version, digits
}

// scanWord reads a word, or the string behind an introducer such as _utf8mb4 or N.
func (l *lexer) scanWord() token {
	start := l.pos
	for l.pos < len(l.text) && isWordByte(l.text[l.pos]) {
		l.pos++
	}
	word := l.text[start:l.pos]
	if c := l.peek(0); c == '\'' || c == '"' {
		switch {
		case equalFold(word, "N") || word[0] == '_' && len(word) > 1:
			return l.scanString(c)
		case equalFold(word, "X") && c == '\'':
			return l.scanQuotedHex()
		}
	}
	return token{kind: tokenWord, value: word}
}

func (l *lexer) scanQuotedName() token {
	name, ok := l.quoted('`', false)
	if !ok || name == "" {
		return token{kind: tokenBad}
	}
	return token{kind: tokenQuotedName, value: name}
}

// scanString reads one quoted string. The parser joins strings that follow each other.
func (l *lexer) scanString(quote byte) token {
	value, ok := l.quoted(quote, true)
	if !ok {
		return token{kind: tokenBad}
	}
	return token{kind: tokenString, value: value}
}

// scanVariable reads @name in all its quotings, or the @@ of a system variable.
func (l *lexer) scanVariable() token {
	switch c := l.peek(1); {
	case c == '@':
		l.pos += 2
		return token{kind: tokenSystemVar}
	case c == '\'' || c == '"' || c == '`':
		l.pos++
		name, ok := l.quoted(c, c != '`')
		if !ok {
			return token{kind: tokenBad}
		}
		return token{kind: tokenUserVar, value: name}
	}
	l.pos++
	start := l.pos
	for l.pos < len(l.text) && (isWordByte(l.text[l.pos]) || l.text[l.pos] == '.') {
		l.pos++
	}
	return token{kind: tokenUserVar, value: l.text[start:l.pos]}
}

// scanPunct reads the longest operator that begins here.
func (l *lexer) scanPunct() token {
	for _, p := range [...]string{"<=>", ":=", "<=", ">=", "<>", "!=", "&&", "||", "<<", ">>"} {
		if strings.HasPrefix(l.text[l.pos:], p) {
			l.pos += len(p)
			return token{kind: tokenPunct, value: p}
		}
	}
	c := l.text[l.pos : l.pos+1]
	l.pos++
	if !strings.Contains("(),.;=<>+-*/%&|^~!?:{}", c) {
		return token{kind: tokenBad}
	}
	return token{kind: tokenPunct, value: c}
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// endsDashes says whether c may follow "--" to make it a comment: a blank, a
// control character, or the end of the text.
func endsDashes(c byte) bool { return c <= ' ' }

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c == '$' || c >= 0x80
}
