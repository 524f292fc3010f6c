package replica

import (
	"errors"
	"testing"

	"github.com/binlogproxy/binlogproxy/replication"
)

func TestChoosesWhereToStart(t *testing.T) {
	position := func(s string) replication.Position {
		if s == "" {
			return replication.Position{}
		}
		p, err := replication.ParsePosition(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	list := func(names ...string) (files []BinlogFile) {
		for _, name := range names {
			files = append(files, BinlogFile{Name: name, Size: 1000})
		}
		return files
	}
	for name, c := range map[string]struct {
		from, end, next, refused string // held
		files                    []BinlogFile
		option                   string
		at                       string
		gap                      bool
		stop                     StopReason
		fails                    bool
	}{
		"oldest":                      {files: list("b.000007", "b.000008"), at: "b.000007:4"},
		"newest":                      {files: list("b.000007", "b.000008"), option: FromNewest, at: "b.000008:4"},
		"named":                       {files: list("b.000007", "b.000008", "b.000009"), option: "b.000008", at: "b.000008:4"},
		"named, not there":            {files: list("b.000007"), option: "b.000008", stop: StopConfiguration},
		"resume":                      {from: "b.000007:300", end: "b.000007:1000", files: list("b.000006", "b.000007"), at: "b.000007:300"},
		"resume, option ignored":      {from: "b.000007:300", end: "b.000007:900", option: FromNewest, files: list("b.000007", "b.000008"), at: "b.000007:300"},
		"resume at the beginning":     {from: "b.000007:4", end: "b.000007:900", files: list("b.000007"), at: "b.000007:4"},
		"shorter":                     {from: "b.000007:300", end: "b.000007:1001", files: list("b.000007", "b.000008"), stop: StopHistory},
		"purged":                      {from: "b.000007:300", end: "b.000007:900", files: list("b.000009", "b.000010"), at: "b.000009:4", gap: true},
		"purged, complete":            {from: "b.000007:300", end: "b.000007:900", next: "b.000008", files: list("b.000008", "b.000009"), at: "b.000008:4"},
		"purged, complete, next too":  {from: "b.000007:300", end: "b.000007:900", next: "b.000008", files: list("b.000009"), at: "b.000009:4", gap: true},
		"a hole":                      {from: "b.000007:300", end: "b.000007:900", files: list("b.000006", "b.000009"), at: "b.000009:4", gap: true},
		"more digits":                 {from: "b.999999:4", end: "b.999999:900", files: list("b.1000000", "b.1000001"), at: "b.1000000:4", gap: true},
		"older only":                  {from: "b.000007:300", end: "b.000007:900", files: list("b.000001", "b.000006"), stop: StopHistory},
		"another base":                {from: "b.000007:300", end: "b.000007:900", files: list("c.000007", "c.000008"), stop: StopHistory},
		"behind a gap":                {from: "b.000009:4", end: "b.000007:900", files: list("b.000009", "b.000010"), at: "b.000009:4"},
		"behind a gap, purged again":  {from: "b.000009:4", end: "b.000007:900", files: list("b.000010"), at: "b.000010:4", gap: true},
		"refused":                     {from: "b.000007:300", end: "b.000007:900", refused: "b.000007:900", files: list("b.000007", "b.000008"), at: "b.000008:4", gap: true},
		"refused, but complete":       {from: "b.000007:900", end: "b.000007:900", next: "b.000008", refused: "b.000007:900", files: list("b.000007", "b.000008"), at: "b.000008:4"},
		"refused, no later file":      {from: "b.000007:300", end: "b.000007:900", refused: "b.000007:900", files: list("b.000007"), fails: true},
		"refused, the gap recorded":   {from: "b.000008:4", end: "b.000007:900", refused: "b.000007:900", files: list("b.000007", "b.000008"), at: "b.000008:4"},
		"refused, another file since": {from: "b.000008:300", end: "b.000008:900", refused: "b.000007:900", files: list("b.000007", "b.000008"), at: "b.000008:300"},
		"refused, but cut back since": {from: "b.000007:300", end: "b.000007:700", refused: "b.000007:900", files: list("b.000007", "b.000008"), at: "b.000007:300"},
	} {
		t.Run(name, func(t *testing.T) {
			h := held{any: c.end != "", from: position(c.from), end: position(c.end), next: c.next}
			if c.refused != "" && c.refused == c.end {
				h.lost = "it refuses"
			}
			if c.option == "" {
				c.option = FromOldest
			}
			got, err := chooseStart(h, c.files, c.option)
			var stop *StopError
			switch {
			case c.stop != 0:
				if !errors.As(err, &stop) || stop.Reason != c.stop {
					t.Errorf("%+v, %v", got, err)
				}
			case c.fails:
				if err == nil || permanent(err) {
					t.Errorf("%+v, %v", got, err)
				}
			case err != nil || got.at != position(c.at) || (got.gap != "") != c.gap:
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
