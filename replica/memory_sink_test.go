package replica

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/binlogproxy/binlogproxy/replication"
)

// memorySink is a Sink in memory that checks the order of its calls. It resumes
// margin bytes before its end and compares what comes again.
type memorySink struct {
	margin int64

	mu      sync.Mutex
	files   map[string][]byte // whole events only
	names   []string
	gaps    []recordedGap
	flushes int
	parts   int // calls of Append
	fail    error
	late    chan error // what was taken cannot be kept

	current string // the file that comes
	offset  int64  // behind the last whole event of this connection
	partial []byte
	started bool   // StartFile, and no event yet
	next    string // named by the ROTATE that ends what is held
	changed chan struct{}
}

type recordedGap struct {
	reason, next string
	previous     *replication.GTIDSet
}

type differentHistory struct{ at replication.Position }

func (e *differentHistory) Error() string   { return "different bytes at " + e.at.String() }
func (e *differentHistory) Permanent() bool { return true }

func newMemorySink() *memorySink {
	return &memorySink{margin: 1 << 20, files: make(map[string][]byte), changed: make(chan struct{}), late: make(chan error, 1)}
}

func (s *memorySink) Resume(reach replication.Reach) (replication.Position, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partial = nil
	s.current = ""
	if len(s.names) == 0 {
		return replication.Position{}, false, nil
	}
	name := s.names[len(s.names)-1]
	held := s.files[name]
	at := replication.FirstEventOffset
	for next := at; next < int64(len(held)); {
		if next+s.margin < int64(len(held)) && next <= reach.Farthest {
			at = next
		}
		h, err := replication.ParseHeader(held[next:])
		if err != nil {
			return replication.Position{}, false, err
		}
		next += int64(h.Size)
		if reach.Refuses != replication.NoTransactions && replication.KindOf(h.Type) == reach.Refuses {
			at = next
		}
	}
	if at > replication.FirstEventOffset {
		s.current, s.offset = name, at
	}
	return replication.Position{File: name, Offset: at}, true, nil
}

func (s *memorySink) End() (replication.Position, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) == 0 {
		return replication.Position{}, false
	}
	name := s.names[len(s.names)-1]
	return replication.Position{File: name, Offset: int64(len(s.files[name]))}, true
}

func (s *memorySink) Successor() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *memorySink) StartFile(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := replication.ValidFileName(name); err != nil {
		panic("the replica let a bad name through: " + err.Error())
	}
	s.current, s.offset, s.started = name, replication.FirstEventOffset, true
	if _, ok := s.files[name]; !ok {
		s.files[name] = append([]byte(nil), replication.FileMagic[:]...)
		s.names = append(s.names, name)
	}
	return nil
}

func (s *memorySink) Append(part []byte, last bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts++
	switch {
	case s.fail != nil:
		return s.fail
	case s.current == "":
		panic("Append without StartFile")
	case len(s.partial) == 0 && !last && len(part) < replication.EventPrefix:
		panic(fmt.Sprintf("a first part of %d bytes", len(part)))
	}
	s.partial = append(s.partial, part...)
	if !last {
		return nil
	}
	event := s.partial
	s.partial = s.partial[:0]
	if s.started && replication.EventType(event[4]) != replication.FormatDescriptionEvent {
		panic("a file begins with another event")
	}
	s.started = false
	held := s.files[s.current]
	if s.offset < int64(len(held)) {
		if int(s.offset)+len(event) > len(held) || !bytes.Equal(held[s.offset:int(s.offset)+len(event)], event) {
			return &differentHistory{replication.Position{File: s.current, Offset: s.offset}}
		}
	} else {
		s.files[s.current] = append(held, event...)
		s.next = ""
		if replication.EventType(event[4]) == replication.RotateEvent {
			checksum := replication.ChecksumNone
			if replication.VerifyChecksum(event) == nil {
				checksum = replication.ChecksumCRC32
			}
			rotate, err := replication.ParseRotate(event, checksum)
			if err != nil {
				return err
			}
			s.next = rotate.Name
		}
	}
	s.offset += int64(len(event))
	return nil
}

func (s *memorySink) AppendRun(events []byte) error {
	for len(events) > 0 {
		n := replication.ClaimedSize(events)
		if err := s.Append(events[:n], true); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

func (s *memorySink) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushes++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *memorySink) Failed(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.late:
		return err
	}
}

func (s *memorySink) Gap(reason, next string, previous *replication.GTIDSet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = append(s.gaps, recordedGap{reason, next, previous})
	return nil
}

// wait returns a channel that is closed by the next Flush.
func (s *memorySink) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *memorySink) file(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]byte(nil), s.files[name]...)
}
