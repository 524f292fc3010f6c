package replica

import (
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

// farSink pretends to hold the beginning of a file. What follows it takes without
// keeping it.
type farSink struct {
	*memorySink
	held replication.Position
}

func (s *farSink) Resume(replication.Reach) (replication.Position, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held, true, nil
}

func (s *farSink) End() (replication.Position, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held, true
}

func (s *farSink) Append(part []byte, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.Offset += int64(len(part))
	return nil
}

func (s *farSink) AppendRun(events []byte) error { return s.Append(events, true) }

// farFile is a file of about 5 GiB, and a place in it 10 MiB before its end.
func farFile() (fakesource.File, replication.Position) {
	const event = 1 << 20
	file := fakesource.Synthetic("binlog.000001", event)
	file.Repeat = 5000
	return file, replication.Position{File: file.Name, Offset: file.Size() - 10*event}
}

func TestResumesBehindFourGiBWhereTheSourceHasGTIDs(t *testing.T) {
	file, from := farFile()
	source := startSource(t, fakesource.Options{Files: []fakesource.File{file}})
	sink := &farSink{memorySink: newMemorySink(), held: from}
	options := testOptions(source.Addr(), sink)
	options.HeartbeatPeriod = 2 * time.Second
	r := run(t, options)
	eventually(t, "a heartbeat at the file's end", func() bool { return r.Status().Heartbeats > 0 }) // it has 32 bits
	if s := r.Status(); s.Position.Offset != file.Size() || s.LagBytes != 0 || s.Disconnects[ReasonStream] != 0 {
		t.Errorf("%+v", s)
	}
	if request := source.Requests()[0]; !request.GTID || request.Position != uint64(from.Offset) || request.File != from.File {
		t.Errorf("%+v", request)
	}
}

// The plain command cannot name the place, and the source would not send what can
// be named: the sink does not go back.
func TestWhatLiesBehindFourGiBAndCannotBeAskedForIsAGap(t *testing.T) {
	file, from := farFile()
	next := fakesource.Synthetic("binlog.000002", 100)
	source := startSource(t, fakesource.Options{Files: []fakesource.File{file, next}, GTIDMode: "OFF"})
	sink := &farSink{memorySink: newMemorySink(), held: from}
	r := run(t, testOptions(source.Addr(), sink))
	eventually(t, "the next file", func() bool {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return len(sink.gaps) > 0
	})
	r.stop()
	if sink.gaps[0].next != next.Name {
		t.Errorf("%+v", sink.gaps)
	}
}

// Without GTIDs the stream begins where the plain command still reaches, and all
// that is held behind that is compared.
func TestResumesWhereThePlainCommandReaches(t *testing.T) {
	files := fakesource.Recorded()
	source := startSource(t, fakesource.Options{GTIDMode: "OFF_PERMISSIVE"})
	offsets := files[0].Offsets()
	limit := offsets[4] + 1
	sink := filled(cut(files[0], 9))
	sink.margin = 1
	r, err := New(testOptions(source.Addr(), sink))
	if err != nil {
		t.Fatal(err)
	}
	r.plainDumpEnd = limit
	launch(t, r).untilHeld(sink, files...)
	if request := source.Requests()[0]; request.GTID || int64(request.Position) != offsets[4] {
		t.Errorf("%+v; the events begin at %v", request, offsets[:10])
	}
}
