package replica

import (
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replication"
)

func TestNamesEveryMistakeInOptions(t *testing.T) {
	_, err := New(Options{
		ServerUUID: "x", ReportHost: strings.Repeat("h", 61), HeartbeatPeriod: time.Microsecond, From: "../x", OnGap: "maybe",
		BackoffMin: time.Second, BackoffMax: time.Millisecond,
	})
	if !isStop(err, StopConfiguration) {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{"sink", "address", "server id", "server uuid", "reported host", "heartbeat", `"../x"`, `"maybe"`, "backoff"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("nothing of %s in: %v", part, err)
		}
	}
	minimal := Options{Sink: newMemorySink(), Source: dial.Options{Addr: "localhost:3306"}, ServerID: 1, ServerUUID: testUUID}
	if _, err := New(minimal); err != nil {
		t.Errorf("with defaults: %v", err)
	}
}

func TestBacksOff(t *testing.T) {
	clock := time.Unix(0, 0)
	random := 0.0
	b := backoff{min: time.Second, max: 10 * time.Second, rand: func() float64 { return random }, now: func() time.Time { return clock }}
	next := func(lasted time.Duration) time.Duration {
		b.began()
		clock = clock.Add(lasted)
		return b.next()
	}
	for i, c := range []struct {
		lasted time.Duration
		random float64
		want   time.Duration
	}{
		{5 * time.Second, 0.5, 0}, // at once
		{0, 0, time.Second},       // half a second by chance, but not that soon after the last attempt
		{0, 0.999999999, 2*time.Second - time.Nanosecond},
		{0, 0, 2 * time.Second},
		{0, 0, 4 * time.Second},
		{0, 0, 5 * time.Second},
		{time.Hour, 0, 5 * time.Second},
	} {
		random = c.random
		if got := next(c.lasted); got != c.want {
			t.Errorf("attempt %d: %s, expected %s", i, got, c.want)
		}
	}
	b.reset()
	if got := next(0); got != time.Second {
		t.Errorf("after a reset and a quick end: %s", got)
	}
	b.longest()
	if random = 0; next(0) < 5*time.Second {
		t.Error("the longest wait is shorter than half of the longest")
	}
}

func TestLagCountsFilesInBetween(t *testing.T) {
	files := []BinlogFile{{"b.999998", 50}, {"b.999999", 100}, {"b.1000000", 200}, {"b.1000001", 400}}
	at := func(file string, offset int64) replication.Position {
		return replication.Position{File: file, Offset: offset}
	}
	for i, c := range []struct {
		at, end replication.Position
		want    int64
	}{
		{at("", 0), at("b.999999", 9), -1},
		{at("b.999999", 9), at("", 0), -1},
		{at("b.999999", 9), at("c.999999", 9), -1},
		{at("b.999999", 90), at("b.999999", 100), 10},
		{at("b.999999", 100), at("b.999999", 90), 0},
		{at("b.1000000", 4), at("b.999999", 90), 0},
		{at("b.999999", 90), at("b.1000000", 4), 14},
		{at("b.999998", 10), at("b.1000001", 7), 40 + 100 + 200 + 7},
	} {
		if got := lag(c.at, c.end, files); got != c.want {
			t.Errorf("%d: lag from %s to %s is %d, not %d", i, c.at, c.end, got, c.want)
		}
	}
}

// Names are ordered by their numbers, however long, and by nothing else.
func FuzzCompareNames(f *testing.F) {
	f.Add("b.000009", "b.000010")
	f.Add("b.999999", "b.1000000")
	f.Add("b.000001", "c.000002")
	f.Fuzz(func(t *testing.T, a, b string) {
		if replication.ValidFileName(a) != nil || replication.ValidFileName(b) != nil {
			return
		}
		order, ok := compareNames(a, b)
		back, backOK := compareNames(b, a)
		if ok != backOK || (order < 0) != (back > 0) || (order == 0) != (back == 0) {
			t.Fatalf("%s, %s: %d %v, but %d %v", a, b, order, ok, back, backOK)
		}
		if next, err := replication.NextFileName(a); err == nil {
			if order, ok := compareNames(next, a); !ok || order <= 0 {
				t.Fatalf("%s is not behind %s: %d, %v", next, a, order, ok)
			}
		}
	})
}
