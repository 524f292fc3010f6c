package replication

import (
	"os"
	"testing"
)

func TestFollowingTransactionsAllocatesNothingPerEvent(t *testing.T) {
	data, err := os.ReadFile("testdata/mysql-9.7/binlog.000001")
	if err != nil {
		t.Fatal(err)
	}
	var tracker Transactions
	if n := testing.AllocsPerRun(100, func() {
		for rest := data[FirstEventOffset:]; len(rest) > 0; {
			h, err := ParseHeader(rest)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tracker.Next(rest[:h.Size]); err != nil {
				t.Fatal(err)
			}
			rest = rest[h.Size:]
		}
	}); n > 6 { // the server version of the FORMAT_DESCRIPTION, and three changes of tag
		t.Fatalf("%v allocations for a file", n)
	}
}

// A QUERY whose statement is far longer than what is handed over is still told
// from a boundary: only its beginning counts.
func TestBoundariesAreSeenInTheFirstPartOfALargeQuery(t *testing.T) {
	for statement, ends := range map[string]bool{
		"INSERT INTO t VALUES ('COMMIT": false,
		"ROLLBACK TO SAVEPOINT s":       false,
		"ROLLBACK":                      true,
		"rollback":                      true,
		"COMMIT":                        true,
		"XA ROLLBACK X'31',X'',1":       true,
	} {
		tracker := Transactions{open: true, begun: true}
		body := make([]byte, queryPostHeader+1) // no status variables, no database
		body = append(body, statement...)
		h := Header{Type: QueryEvent, Size: uint32(HeaderSize + len(body))}
		if effect, err := tracker.Next(append(h.Append(nil), body...)); err != nil || effect.Ends != ends {
			t.Errorf("%q: %+v, %v", statement, effect, err)
		}
		if statement == "INSERT INTO t VALUES ('COMMIT" {
			h.Size = 1 << 29
			if effect, err := tracker.Next(append(h.Append(nil), body...)); err != nil || effect.Ends {
				t.Errorf("the first part of %q: %+v, %v", statement, effect, err)
			}
		}
	}
}

func TestUnknownIgnorableEventsBetweenTransactionsOpenNone(t *testing.T) {
	var tracker Transactions
	h := Header{Type: 99, Size: HeaderSize, Flags: FlagIgnorable}
	if effect, err := tracker.Next(h.Append(nil)); err != nil || effect != (Effect{}) || tracker.Open() {
		t.Fatalf("%+v, %v, open = %v", effect, err, tracker.Open())
	}
}
