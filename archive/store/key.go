package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of keys and metadata.
const (
	MaxKey  = 900  // bytes of a key, which leaves S3's 1024 room for the prefix
	MaxMeta = 2000 // bytes of all names and values of an object's metadata
)

// CheckKey refuses keys that not every store can keep: a key is valid UTF-8
// without control characters or backslashes, of parts that a slash separates; none
// of them is empty, ".", ".." or longer than 200 bytes.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey || !utf8.ValidString(key) {
		return fmt.Errorf("%q is no key: 1 to %d bytes of UTF-8 are one", shorten(key), MaxKey)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." || len(part) > 200 {
			return fmt.Errorf("%q is no key: the part %q", shorten(key), shorten(part))
		}
	}
	if i := strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }); i >= 0 {
		return fmt.Errorf("%q is no key: the character %q", shorten(key), key[i])
	}
	return nil
}

// CheckMeta refuses metadata that not every store can keep: names are of a-z, 0-9
// and "-", values of printable ASCII without a space at either end, all of it
// within MaxMeta.
func CheckMeta(meta map[string]string) error {
	size := 0
	for name, value := range meta {
		size += len(name) + len(value)
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("%q is no name for metadata", shorten(name))
		}
		printable := strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) < 0
		if !printable || strings.TrimSpace(value) != value {
			return fmt.Errorf("%q is no value for metadata", shorten(value))
		}
	}
	if size > MaxMeta {
		return fmt.Errorf("%d bytes of metadata are more than %d", size, MaxMeta)
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
