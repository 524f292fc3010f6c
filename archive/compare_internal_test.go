package archive

import (
	"testing"

	"github.com/binlogproxy/binlogproxy/replication"
)

// hugeFile is a file of events of 100 MiB each, of which only headers exist.
type hugeFile struct{ Handle }

const hugeEvent = 100 << 20

func (hugeFile) ReadAt(p []byte, off int64) (int, error) {
	if (off-replication.FirstEventOffset)%hugeEvent != 0 {
		panic("not an event's start")
	}
	copy(p, replication.Header{Type: 30, Size: hugeEvent}.Append(nil))
	return len(p), nil
}

// COM_BINLOG_DUMP has 32 bits for the offset: beyond 4 GiB the compared stretch
// begins before that, at an event's start.
func TestResumeBelowFourGiB(t *testing.T) {
	for _, events := range []int64{1, 2, 39, 40, 41, 42, 60, 500} {
		of := newOpenFile(1, "binlog.000001")
		of.data = hugeFile{}
		of.end.offset = replication.FirstEventOffset + events*hugeEvent
		for i := int64(1); i <= events; i++ {
			of.starts = append(of.starts, replication.FirstEventOffset+i*hugeEvent)
		}
		l := &Log{cur: of, opts: Options{CompareBack: 1 << 20}}
		from, err := l.resumeOffset()
		want := replication.FirstEventOffset + min(events-1, maxDumpOffset/hugeEvent)*hugeEvent
		if err != nil || from != want {
			t.Errorf("%d events: %d, %v, expected %d", events, from, err, want)
		}
	}
}
