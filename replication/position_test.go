package replication

import (
	"strings"
	"testing"
)

func TestFileNamesThatMayBecomePaths(t *testing.T) {
	long := strings.Repeat("b", 248) + ".000001"
	for name, valid := range map[string]bool{
		"binlog.000001":         true,
		"mysql-bin.1000000":     true,
		"a.b_c-d.123456":        true,
		long:                    true,
		"b" + long:              false,
		"":                      false,
		".000001":               false,
		"binlog":                false,
		"binlog.":               false,
		"binlog.00001":          false,
		"binlog.00000a":         false,
		"-bin.000001":           false,
		"../../etc/x.000001":    false,
		"a/b.000001":            false,
		"binlog.000001\x00":     false,
		"bin log.000001":        false,
		"binlög.000001":         false,
		"binlog.000001\n":       false,
		"..000001":              false,
		"binlog.000001/.000002": false,
	} {
		if err := ValidFileName(name); (err == nil) != valid {
			t.Errorf("ValidFileName(%q) = %v, want valid = %v", name, err, valid)
		}
	}
}

func TestNextFileNameKeepsSixDigitsAndGrowsBeyond(t *testing.T) {
	for last, want := range map[string]string{
		"binlog.000009": "binlog.000010",
		"binlog.999999": "binlog.1000000",
		"a.b.000001":    "a.b.000002",
	} {
		if got, err := NextFileName(last); err != nil || got != want {
			t.Errorf("NextFileName(%q) = %q, %v; want %q", last, got, err, want)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"binlog.000001:4", "a.b.000001:9223372036854775807", "binlog.000001:+4", ":4", "binlog.000001:", "x:-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePosition(s)
		if err != nil {
			return
		}
		again, err := ParsePosition(p.String())
		if err != nil || again != p {
			t.Fatalf("%q parsed to %v, which parses to %v, %v", s, p, again, err)
		}
		if strings.ContainsAny(p.File, "/\\\x00") || p.Offset < 0 {
			t.Fatalf("%q gave a file or offset that must not pass: %v", s, p)
		}
	})
}
