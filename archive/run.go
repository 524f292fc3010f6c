package archive

import (
	"fmt"

	"github.com/binlogproxy/binlogproxy/replication"
)

// AppendRun takes whole events, one behind the other; see replica.Sink. They cost less
// than by Append, and a full buffer is handed over at the end of one.
func (l *Log) AppendRun(events []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(events) > 0 {
		if err := l.readyLocked(); err != nil {
			return err
		}
		n := 0
		if l.file == fileOpen && l.compare == nil {
			n = l.passLocked(events)
		}
		if n == 0 {
			var err error
			if n, err = l.appendFirstLocked(events); err != nil {
				return err
			}
		}
		events = events[n:]
	}
	return nil
}

// passLocked takes usual events as long as the active buffer has room for them, and
// returns how many bytes it took.
func (l *Log) passLocked(events []byte) int {
	b, n := l.active, 0
	var out outcome
	events = events[:min(len(events), b.room())]
	for n < len(events) {
		size := replication.ClaimedSize(events[n:])
		if size < replication.HeaderSize || size > int64(len(events)-n) {
			break
		}
		if !l.in.pass(events[n:n+int(size)], &out) {
			break
		}
		if out.gtid.Number != 0 || out.point != nil {
			b.note(&out)
			out = outcome{}
		}
		n += int(size)
	}
	b.data = append(b.data, events[:n]...)
	return n
}

// appendFirstLocked takes the first of some events and returns its size.
func (l *Log) appendFirstLocked(events []byte) (int, error) {
	size := replication.ClaimedSize(events)
	if size < replication.HeaderSize || size > int64(len(events)) {
		return 0, l.in.fail(fmt.Sprintf("an event of %d bytes in a run of %d", size, len(events)), nil)
	}
	n := int(size)
	if l.active.room() < n && n <= cap(l.active.data) && l.compare == nil {
		if err := l.makeRoomLocked(n); err != nil {
			return 0, err
		}
	}
	return n, l.appendLocked(events[:n], true)
}
