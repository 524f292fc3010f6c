package server

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// like reports whether text matches a LIKE pattern without regard to case: % is
// any run, _ one character, and \ takes the next character as it is. The time is
// bounded by the product of the lengths.
func like(text, pattern string) bool {
	retryText, retryPattern := "", "" // where to go on after a mismatch behind a %
	retry := false
	for {
		if strings.HasPrefix(pattern, "%") {
			pattern = pattern[1:]
			retryText, retryPattern, retry = text, pattern, true
			continue
		}
		if text == "" && pattern == "" {
			return true
		}
		if t, p, ok := matchOne(text, pattern); ok {
			text, pattern = t, p
			continue
		}
		if !retry || retryText == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(retryText)
		retryText = retryText[n:]
		text, pattern = retryText, retryPattern
	}
}

// matchOne takes one character of both when they match.
func matchOne(text, pattern string) (restText, restPattern string, ok bool) {
	if text == "" || pattern == "" {
		return "", "", false
	}
	r, n := utf8.DecodeRuneInString(text)
	if pattern[0] == '_' {
		return text[n:], pattern[1:], true
	}
	if pattern[0] == '\\' && len(pattern) > 1 {
		pattern = pattern[1:]
	}
	p, m := utf8.DecodeRuneInString(pattern)
	return text[n:], pattern[m:], unicode.ToLower(r) == unicode.ToLower(p)
}
