package config

import (
	"reflect"
	"strings"
	"testing"
)

// What is read is read the same again, defaults once filled in stay, and an error or
// a list of mistakes has no control characters that a terminal would obey.
func FuzzParse(f *testing.F) {
	f.Add("data-dir: /x\nsources:\n  - address: h\n    user: u\n    server-id: 1\n    accounts: [{user: r}]\n")
	f.Add("sources: [{ssl-mode: required, heartbeat: 5s, listen-tls: {mode: optional, cert-file: c}}]")
	f.Add("a: b\n---\nc: d\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(strings.NewReader(text))
		again, errAgain := Parse(strings.NewReader(text))
		if (err == nil) != (errAgain == nil) || !reflect.DeepEqual(c, again) {
			t.Fatalf("read twice: %v, %v", err, errAgain)
		}
		if err != nil {
			return
		}
		c.FillDefaults()
		again.FillDefaults()
		again.FillDefaults()
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("defaults filled in twice: %+v, %+v", c, again)
		}
		mistakes := c.Validate()
		if (mistakes == nil) != (again.Validate() == nil) {
			t.Fatal("validated twice")
		}
		if mistakes != nil && strings.ContainsAny(mistakes.Error(), "\x1b\x07\x08") {
			t.Fatalf("%q", mistakes)
		}
	})
}
