package sql

import (
	"encoding/hex"
	"strings"
)

// quoted reads from the opening quote at pos to its closing one. A doubled quote
// stands for itself; with escapes, backslashes are resolved. It reports false
// when the closing quote is missing.
func (l *lexer) quoted(quote byte, escapes bool) (string, bool) {
	stops := string(quote)
	if escapes {
		stops += `\`
	}
	l.pos++
	var out strings.Builder
	for l.pos < len(l.text) {
		run := l.text[l.pos:]
		n := strings.IndexAny(run, stops)
		if n < 0 {
			break
		}
		out.WriteString(run[:n])
		l.pos += n
		if l.text[l.pos] == '\\' {
			if l.pos+1 == len(l.text) {
				break
			}
			writeEscape(&out, l.text[l.pos+1])
			l.pos += 2
			continue
		}
		l.pos++
		if l.peek(0) != quote {
			return out.String(), true
		}
		out.WriteByte(quote)
		l.pos++
	}
	l.pos = len(l.text)
	return "", false
}

// writeEscape writes what \c stands for (manual, "String Literals"). \% and \_
// keep their backslash, since they mean something only to LIKE.
func writeEscape(out *strings.Builder, c byte) {
	switch c {
	case '0':
		out.WriteByte(0)
	case 'b':
		out.WriteByte('\b')
	case 'n':
		out.WriteByte('\n')
	case 'r':
		out.WriteByte('\r')
	case 't':
		out.WriteByte('\t')
	case 'Z':
		out.WriteByte(0x1a)
	case '%', '_':
		out.WriteByte('\\')
		out.WriteByte(c)
	default:
		out.WriteByte(c)
	}
}

// scanQuotedHex reads x'4142'; the x has been read.
func (l *lexer) scanQuotedHex() token {
	digits, ok := l.quoted('\'', false)
	if !ok {
		return token{kind: tokenBad}
	}
	value, err := hex.DecodeString(digits)
	if err != nil {
		return token{kind: tokenBad}
	}
	return token{kind: tokenHex, value: string(value)}
}

// scanNumber reads 12, 1.5, .5, 1e3, 0x41, or a word that begins with digits.
func (l *lexer) scanNumber() token {
	start := l.pos
	for isWordByte(l.peek(0)) {
		l.pos++
	}
	text := l.text[start:l.pos]
	if strings.HasPrefix(text, "0x") {
		if t, ok := hexNumber(text[2:]); ok {
			return t
		}
	}
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	switch rest := text[digits:]; {
	case rest == "" && l.peek(0) == '.':
		return l.scanFraction(start)
	case rest == "":
		return token{kind: tokenInteger, value: text}
	case rest[0] == 'e' || rest[0] == 'E':
		if end, ok := exponent(l.text, start+digits); ok {
			l.pos = end
			return token{kind: tokenDecimal, value: l.text[start:end]}
		}
	}
	return token{kind: tokenWord, value: text}
}

// scanFraction reads on at the point of a decimal number.
func (l *lexer) scanFraction(start int) token {
	l.pos++
	for isDigit(l.peek(0)) {
		l.pos++
	}
	if end, ok := exponent(l.text, l.pos); ok {
		l.pos = end
	}
	return token{kind: tokenDecimal, value: l.text[start:l.pos]}
}

// exponent returns the end of an exponent that begins at position at of text.
func exponent(text string, at int) (end int, ok bool) {
	if at >= len(text) || text[at] != 'e' && text[at] != 'E' {
		return 0, false
	}
	end = at + 1
	if end < len(text) && (text[end] == '+' || text[end] == '-') {
		end++
	}
	first := end
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	return end, end > first
}

func hexNumber(digits string) (token, bool) {
	if digits == "" {
		return token{}, false
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	value, err := hex.DecodeString(digits)
	return token{kind: tokenHex, value: string(value)}, err == nil
}

// upper and equalFold are for keywords and names of variables: ASCII only, other
// bytes stay as they are.
func upper(s string) string { return mapBytes(s, 'a', 'z') }

// lower is the inverse of upper.
func lower(s string) string { return mapBytes(s, 'A', 'Z') }

// mapBytes flips the case of the letters from first to last.
func mapBytes(s string, first, last byte) string {
	for i := 0; i < len(s); i++ {
		if s[i] < first || s[i] > last {
			continue
		}
		b := []byte(s)
		for ; i < len(b); i++ {
			if b[i] >= first && b[i] <= last {
				b[i] ^= 0x20
			}
		}
		return string(b)
	}
	return s
}

// equalFold compares s with an upper-case word.
func equalFold(s, word string) bool { return len(s) == len(word) && upper(s) == word }
