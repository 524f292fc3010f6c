package replica

import "time"

// pace decides when the receiver lets data gather in the socket before it reads
// again. A receiver that is faster than its source empties the socket at every read,
// and each read costs a wake-up and a commit. While at least paceBytes come within
// paceTime, it pauses; a slower stream is never held up.
type pace struct {
	since time.Time // when the bytes began to be counted
	bytes int64     // that had come by then
}

const (
	paceBytes = 64 << 10
	paceTime  = 2 * time.Millisecond
	pauseTime = 500 * time.Microsecond
)

// pause says how long to wait before the next read, where all that has come so far,
// bytes in all, was taken.
func (p *pace) pause(now time.Time, bytes int64) time.Duration {
	late := now.Sub(p.since) > paceTime
	if !late && bytes-p.bytes < paceBytes {
		return 0
	}
	p.since, p.bytes = now, bytes
	if late {
		return 0
	}
	return pauseTime
}
