package archive

import (
	"bytes"
	"fmt"

	"github.com/binlogproxy/binlogproxy/replication"
)

// comparison holds what a resumed stream sends again against what is held.
type comparison struct {
	offset int64 // of the next byte
	start  int64 // where it began
	seen   int64 // bytes of the current event
	end    int64 // of what is held
	buf    []byte
}

const compareBuffer = 64 << 10

// untouched says that nothing came yet.
func (c *comparison) untouched() bool { return c.offset == c.start && c.seen == 0 }

// compareLocked takes the next bytes of a resumed stream. At the end of what is
// held it goes over to writing.
func (l *Log) compareLocked(part []byte, last bool) error {
	c := l.compare
	for len(part) > 0 {
		n := min(len(part), len(c.buf), int(min(c.end-c.offset, compareBuffer)))
		if n == 0 {
			return l.historyError(c.offset, part, fmt.Sprintf("what is held ends there, within an event of the source that has %d bytes more", len(part)))
		}
		held := c.buf[:n]
		if m, err := l.cur.data.ReadAt(held, c.offset); m < n {
			return l.failCompareLocked(err)
		}
		if i := firstDifference(held, part[:n]); i < n && sabotaged != noCompare {
			return l.historyError(c.offset+int64(i), part[i:], "other bytes")
		}
		part = part[n:]
		c.offset += int64(n)
		c.seen += int64(n)
	}
	if !last {
		return nil
	}
	c.seen = 0
	if c.offset == c.end {
		l.compare = nil
		l.provenLocked()
	}
	return nil
}

// provenLocked says that what is held is the source's, as far as that can be found out.
func (l *Log) provenLocked() {
	l.unproven.Store(false)
	l.markDue = true
	l.cond.Broadcast()
}

func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return len(a)
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

func (l *Log) failCompareLocked(err error) error {
	e := &DiskError{Op: "read", File: l.filePath(l.in.name), Err: err}
	l.failLocked(e)
	return e
}

// historyError describes a difference at offset in the current file.
func (l *Log) historyError(offset int64, found []byte, reason string) error {
	expected := make([]byte, min(excerptSize, max(0, l.in.at.offset-offset)))
	if n, err := l.cur.data.ReadAt(expected, offset); n < len(expected) {
		l.logger.Warn("cannot show the bytes held", "file", l.in.name, "offset", offset, "err", err)
		expected = expected[:n]
	}
	return &HistoryError{
		File: l.in.name, Offset: offset, Expected: expected,
		Found: bytes.Clone(found[:min(len(found), excerptSize)]), Reason: reason,
	}
}

// resumeOffset is where the source is to begin: far enough back, but behind the
// beginning of the last transaction that it refuses.
func (l *Log) resumeOffset(reach replication.Reach) (int64, error) {
	offset, err := l.compareOffset(reach.Farthest)
	return max(offset, l.cur.end.begun[reach.Refuses]), err
}

// compareOffset finds the start of the last event, at farthest or before, from which
// the compared stretch is long enough: CompareBack before the end, or before the
// recorded mark while what stands behind that is unproven.
func (l *Log) compareOffset(farthest int64) (int64, error) {
	of := l.cur
	target := of.end.offset
	if l.unproven.Load() {
		target = min(target, l.floor)
	}
	target = min(target-l.opts.CompareBack, farthest)
	if of.head != nil && target < of.head.start {
		return 0, errFetching
	}
	from := replication.FirstEventOffset
	if target <= from {
		return from, nil
	}
	for _, start := range of.starts {
		if start <= target {
			from = start
		}
	}
	c := chunker{file: of.data, name: of.name, offset: from, buf: make([]byte, compareBuffer)}
	for {
		var head [replication.HeaderSize]byte
		if n, err := of.data.ReadAt(head[:], from); n < len(head) {
			return 0, &DiskError{Op: "read", File: l.filePath(of.name), Err: err}
		}
		size, err := c.eventSize(head[:], from, of.end.offset)
		if err != nil {
			return 0, err
		}
		if from+size > target {
			return from, nil
		}
		from += size
	}
}
