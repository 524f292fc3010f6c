package archive

import (
	"testing"
	"time"
)

func TestTheAgeOfWhatIsNotStoredIsThatOfItsOldestByte(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	var c commitTimes
	c.opened(at(0))
	c.add(100, at(3600)) // long after the start
	c.add(10, at(3600.5))
	c.add(50, at(3700))
	for _, want := range []struct {
		bytes int64
		since float64
	}{{1, 3700}, {50, 3700}, {51, 3600}, {160, 3600}, {161, 0}, {1 << 40, 0}} {
		if got := c.since(want.bytes); !got.Equal(at(want.since)) {
			t.Errorf("the last %d bytes: since %v after the start, want %v s", want.bytes, got.Sub(start), want.since)
		}
	}
}

func TestALongOutageCostsLittleMemoryAndKeepsItsBeginning(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	var c commitTimes
	c.opened(start)
	const seconds = 1_000_000 // a byte in each
	for i := range seconds {
		c.add(1, start.Add(time.Duration(i)*time.Second))
		if len(c.marks) > maxCommitMarks {
			t.Fatalf("%d marks", len(c.marks))
		}
	}
	now := start.Add((seconds - 1) * time.Second)
	for bytes := int64(1); bytes <= seconds; bytes += 1 + bytes/100 {
		age, shown := time.Duration(bytes-1)*time.Second, now.Sub(c.since(bytes))
		if shown < age || shown > age+age/commitMarkError+commitMarkEvery {
			t.Errorf("the last %d bytes: their age is shown as %v, it is %v", bytes, shown, age)
		}
	}
}
