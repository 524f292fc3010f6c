package replica

import (
	"maps"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// State is what a Replica is doing.
type State string

const (
	StateConnecting State = "connecting" // to the source, or asking who it is
	StateReceiving  State = "receiving"
	StateWaiting    State = "waiting" // before the next attempt to connect
	StateStopped    State = "stopped" // for good: Run has returned
)

// Status is a snapshot of a Replica. Times are zero, and strings empty, where
// nothing is known yet.
type Status struct {
	State State
	Ready bool // as told by Options.OnReady

	Source       SourceInfo // as of the last connect
	ConnectionID uint32     // of the last connection, at the source
	TLS          string     // of the last connection: version and cipher, or "off"

	// Position is behind the last whole event that the sink has taken. Behind a
	// resume, while it is compared, that lies within what is held.
	Position replication.Position
	// SourceEnd is the end of the source's log as last heard of, at SourceEndAt.
	SourceEnd   replication.Position
	SourceEndAt time.Time
	// LagBytes is what lies between Position and SourceEnd; -1 is unknown.
	LagBytes int64
	// SourceFiles is what the source listed last, the oldest first. Not to be changed.
	SourceFiles []BinlogFile

	Events     uint64 // received and taken by the sink, what was compared included
	Bytes      uint64 // of these
	Heartbeats uint64
	Gaps       uint64 // recorded since the start

	LastEventTime time.Time // of the last event, by the source's clock, in whole seconds
	LastHeard     time.Time // when the source last sent anything, by ours

	Connects       uint64            // connections over which the source said who it is
	ConnectedSince time.Time         // of the current connection
	Disconnects    map[string]uint64 // by reason
	LastError      string
	LastErrorAt    time.Time
	NextAttempt    time.Time // while waiting
}

// Status returns a snapshot. It may be called at any time, by any goroutine.
func (r *Replica) Status() Status {
	got := r.counters.snapshot()
	s := r.status.snapshot()
	s.Position = got.position
	s.Events, s.Bytes, s.Heartbeats, s.Gaps = got.events, got.bytes, got.heartbeats, got.gaps
	s.LastEventTime, s.LastHeard = got.eventTime, got.heardAt
	if got.beatAt.After(s.SourceEndAt) {
		s.SourceEnd, s.SourceEndAt = got.beat, got.beatAt
	}
	s.LagBytes = lag(s.Position, s.SourceEnd, s.SourceFiles)
	return s
}

// statusBook is what is known beside the receive loop's counters.
type statusBook struct {
	now func() time.Time

	mu sync.Mutex // guards s
	s  Status
}

func (b *statusBook) update(f func(s *Status, now time.Time)) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.s, now)
}

func (b *statusBook) snapshot() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.s
	s.Disconnects = maps.Clone(s.Disconnects)
	return s
}

func (b *statusBook) connecting() {
	b.update(func(s *Status, now time.Time) { s.State, s.NextAttempt = StateConnecting, time.Time{} })
}

func (b *statusBook) connected(info SourceInfo, id uint32, tls string) {
	b.update(func(s *Status, now time.Time) {
		s.Source, s.ConnectionID, s.TLS, s.ConnectedSince = info, id, tls, now
		s.Connects++
	})
}

// listed notes the source's files; the newest one's size is the end of its log.
func (b *statusBook) listed(files []BinlogFile) {
	newest := files[len(files)-1]
	b.update(func(s *Status, now time.Time) {
		s.SourceFiles = files
		s.SourceEnd, s.SourceEndAt = replication.Position{File: newest.Name, Offset: newest.Size}, now
	})
}

// sourceEnd notes the end of the source's log.
func (b *statusBook) sourceEnd(end replication.Position) {
	b.update(func(s *Status, now time.Time) { s.SourceEnd, s.SourceEndAt = end, now })
}

// newestFile is the last file that the source listed.
func (b *statusBook) newestFile() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.s.SourceFiles) == 0 {
		return ""
	}
	return b.s.SourceFiles[len(b.s.SourceFiles)-1].Name
}

func (b *statusBook) receiving() {
	b.update(func(s *Status, _ time.Time) { s.State = StateReceiving })
}

func (b *statusBook) ready() {
	b.update(func(s *Status, _ time.Time) { s.Ready = true })
}

// broken notes the end of a connection, or that there was none.
func (b *statusBook) broken(err error, wait time.Duration) {
	b.update(func(s *Status, now time.Time) {
		b.failedLocked(err, now)
		s.State, s.NextAttempt = StateWaiting, now.Add(wait)
	})
}

// stopped notes that Run returns; err is nil when its context ended.
func (b *statusBook) stopped(err error) {
	b.update(func(s *Status, now time.Time) {
		if err != nil {
			b.failedLocked(err, now)
		}
		s.State, s.ConnectedSince = StateStopped, time.Time{}
	})
}

func (b *statusBook) failedLocked(err error, now time.Time) {
	if b.s.Disconnects == nil {
		b.s.Disconnects = make(map[string]uint64)
	}
	b.s.Disconnects[disconnectReason(err)]++
	b.s.LastError, b.s.LastErrorAt, b.s.ConnectedSince = err.Error(), now, time.Time{}
}
