package archive

import (
	"math"
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

// COM_BINLOG_DUMP has 32 bits for the offset: where nothing else can be asked for,
// the compared stretch begins before that, at an event's start. Elsewhere it does not
// grow with the file.
func TestResumeWithinReach(t *testing.T) {
	const fourGiB = 1<<32 - 1
	for _, events := range []int64{1, 2, 39, 40, 41, 42, 60, 500} {
		of := newOpenFile(1, "binlog.000001", 1<<20)
		of.data = hugeFile{}
		of.end.offset = replication.FirstEventOffset + events*hugeEvent
		for i := int64(1); i <= events; i++ {
			of.starts = append(of.starts, replication.FirstEventOffset+i*hugeEvent)
		}
		at := func(event int64) int64 { return replication.FirstEventOffset + event*hugeEvent }
		of.end.begun[replication.AnonymousTransactions] = at(events) // the last event
		of.end.begun[replication.GTIDTransactions] = at(events / 2)
		l := &Log{Archive: Archive{opts: Options{CompareBack: 1 << 20}}, cur: of}
		for _, c := range []struct {
			reach replication.Reach
			want  int64
		}{
			{replication.Reach{Farthest: fourGiB}, at(min(events-1, fourGiB/hugeEvent))},
			{replication.Reach{Farthest: math.MaxInt64}, at(events - 1)},
			{replication.Reach{Farthest: math.MaxInt64, Refuses: replication.AnonymousTransactions}, at(events)},
			{replication.Reach{Farthest: fourGiB, Refuses: replication.GTIDTransactions}, at(max(events/2, min(events-1, fourGiB/hugeEvent)))},
		} {
			if from, err := l.resumeOffset(c.reach); err != nil || from != c.want {
				t.Errorf("%d events, %+v: %d, %v, expected %d", events, c.reach, from, err, c.want)
			}
		}
	}
}
