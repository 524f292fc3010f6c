package proof

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// A proof that cannot fail is none: each kind of comparison must be able to say DIFFERENT.

func TestFileThatDiffersIsReported(t *testing.T) {
	theirs := []byte("\xfebin" + strings.Repeat("an event ", 20))
	flip := func(at int) []byte { b := bytes.Clone(theirs); b[at] ^= 1; return b }
	inUse := bytes.Clone(theirs)
	inUse[flagsOffset] |= 1
	cleared := bytes.Clone(theirs)
	cleared[flagsOffset] &^= 1
	for name, c := range map[string]struct {
		ours, theirs []byte
		open         bool
		equal        bool
		detail       string
	}{
		"the same":                      {theirs, theirs, false, true, "184 bytes"},
		"first byte":                    {flip(0), theirs, false, false, "first difference at 0"},
		"last byte":                     {flip(len(theirs) - 1), theirs, false, false, "first difference at 183"},
		"shorter":                       {theirs[:100], theirs, false, false, "ours has 100 bytes, the primary's 184"},
		"longer":                        {append(bytes.Clone(theirs), 'x'), theirs, false, false, "ours has 185 bytes"},
		"empty":                         {[]byte{}, theirs, false, false, "ours has 0 bytes"},
		"missing":                       {nil, theirs, false, false, "no such file"},
		"in-use bit of an open file":    {cleared, inUse, true, true, "still open"},
		"in-use bit of a closed file":   {cleared, inUse, false, false, "first difference at 21"},
		"another flag of an open file":  {func() []byte { b := bytes.Clone(cleared); b[flagsOffset] ^= 2; return b }(), inUse, true, false, "first difference at 21"},
		"another byte of an open file":  {flip(50), theirs, true, false, "first difference at 50"},
		"open, shorter than its header": {theirs[:4], theirs[:5], true, false, "ours has 4 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "binlog.000001")
			if c.ours != nil {
				if err := os.WriteFile(path, c.ours, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			line := compareFile(path, c.theirs, c.open)
			if line.Equal != c.equal || line.What != "binlog.000001" || !strings.Contains(line.Detail, c.detail) {
				t.Errorf("%+v", line)
			}
		})
	}
}

func TestGTIDSetThatDiffersIsReported(t *testing.T) {
	const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	for _, c := range []struct {
		ours, theirs string
		equal        bool
	}{
		{uuid + ":1-9", uuid + ":1-9", true},
		{uuid + ":1-9,\n" + uuid + ":tag:1", uuid + ":1-9, " + uuid + ":tag:1", true},
		{uuid + ":1-8", uuid + ":1-9", false},
		{uuid + ":1-10", uuid + ":1-9", false},
		{"", uuid + ":1-9", false},
		{uuid + ":1-9", "", false},
	} {
		if line := GTIDs("set", c.ours, c.theirs); line.Equal != c.equal {
			t.Errorf("%q and %q: %+v", c.ours, c.theirs, line)
		}
	}
}

func TestTableThatDiffersIsReported(t *testing.T) {
	theirs := map[string]string{"a.same": "1", "a.changed": "2", "a.missing": "3", "a.empty": "0"}
	ours := map[string]string{"a.same": "1", "a.changed": "22", "a.extra": "4", "a.empty": "0"}
	var different []string
	for _, line := range compareTables(ours, theirs) {
		if !line.Equal {
			different = append(different, line.What)
		}
	}
	if want := []string{"a.changed", "a.extra", "a.missing"}; !slices.Equal(different, want) {
		t.Errorf("different: %v, want %v", different, want)
	}
	if !compareTables(theirs, theirs).Equal() {
		t.Error("the same tables differ")
	}
}

func TestLedgerThatDiffersIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		ours, theirs ledger
		equal        bool
	}{
		"the same":              {ledger{rows: 5}, ledger{rows: 5}, true},
		"one twice":             {ledger{rows: 6, doubled: 1, first: 3}, ledger{rows: 5}, false},
		"one twice, one lost":   {ledger{rows: 5, doubled: 1, first: 3}, ledger{rows: 5}, false},
		"one lost":              {ledger{rows: 4}, ledger{rows: 5}, false},
		"nothing to compare":    {ledger{}, ledger{}, false},
		"nothing at the source": {ledger{rows: 1}, ledger{}, false},
	} {
		if line := compareLedgers("workload.ledger", c.ours, c.theirs); line.Equal != c.equal {
			t.Errorf("%s: %+v", name, line)
		}
	}
}

func TestTableIsEqualOnlyIfEveryLineIs(t *testing.T) {
	same, other := Line{What: "same", Equal: true}, Line{What: "other"}
	for _, c := range []struct {
		table Table
		equal bool
	}{
		{nil, false},
		{Table{}, false},
		{Table{same}, true},
		{Table{other}, false},
		{Table{same, other, same}, false},
	} {
		if c.table.Equal() != c.equal {
			t.Errorf("%+v: Equal is %v", c.table, !c.equal)
		}
		var out strings.Builder
		if err := c.table.Print(&out); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "DIFFERENT") != slices.Contains(c.table, other) {
			t.Errorf("%+v is printed as\n%s", c.table, out.String())
		}
	}
}

func TestBehindCountsWhatFollowsThePosition(t *testing.T) {
	files := []testenv.BinlogFile{{Name: "binlog.000001", Size: 100}, {Name: "binlog.000002", Size: 200}, {Name: "binlog.000003", Size: 50}}
	for position, want := range map[string]int64{
		"binlog.000003:50": 0, "binlog.000003:4": 46, "binlog.000002:200": 50, "binlog.000001:40": 310, "binlog.000003:60": -10,
	} {
		if got, err := Behind(files, position); got != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", position, got, err, want)
		}
	}
	for _, position := range []string{"", "binlog.000003", "binlog.000004:4", "binlog.000003:-1"} {
		if got, err := Behind(files, position); err == nil {
			t.Errorf("%q: %d and no error", position, got)
		}
	}
}
