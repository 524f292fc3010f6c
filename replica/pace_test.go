package replica

import (
	"testing"
	"time"
)

func TestPausesOnlyWhileTheStreamIsFast(t *testing.T) {
	var p pace
	now, bytes := time.Unix(1_700_000_000, 0), int64(0)
	step := func(after time.Duration, n int64) time.Duration {
		now, bytes = now.Add(after), bytes+n
		return p.pause(now, bytes)
	}
	for range 100 { // however much comes at once, if it comes seldom
		if d := step(paceTime+1, 10*paceBytes); d != 0 {
			t.Fatalf("a slow stream was held up for %s", d)
		}
	}
	pauses := 0
	for range 100 {
		if step(paceTime/10, paceBytes/4) != 0 {
			pauses++
		}
	}
	if pauses != 25 {
		t.Errorf("%d pauses in 25 times %d bytes that came fast", pauses, paceBytes)
	}
	for range 100 {
		if d := step(paceTime/10, 100); d != 0 {
			t.Fatalf("single events were held up for %s", d)
		}
	}
}
