package replica

import (
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// counters are what a receiver has counted. The receive loop adds to plain
// fields of its own and publishes them before each read of the socket, so that
// counting costs an event nothing that another core could see.
type counters struct {
	now func() time.Time

	// Of the receive loop alone.
	pending struct {
		events    uint64
		bytes     uint64
		eventTime uint32
	}

	mu sync.Mutex // guards what follows
	s  received
}

// received is the part of a Status that the receive loop publishes.
type received struct {
	position   replication.Position
	events     uint64
	bytes      uint64
	heartbeats uint64
	gaps       uint64
	eventTime  time.Time            // of the last event that has a time; by the source's clock
	heardAt    time.Time            // when the socket last gave bytes; by ours
	beat       replication.Position // what the last heartbeat said of the source's end
	beatAt     time.Time
}

// event counts one event that the sink has taken.
func (c *counters) event(h replication.Header) {
	c.pending.events++
	c.pending.bytes += uint64(h.Size)
	if h.Timestamp != 0 {
		c.pending.eventTime = h.Timestamp
	}
}

// run counts the events of one that the sink has taken.
func (c *counters) run(r eventRun) {
	c.pending.events += r.events
	c.pending.bytes += uint64(len(r.bytes))
	if r.lastTime != 0 {
		c.pending.eventTime = r.lastTime
	}
}

// publish makes what was counted visible.
func (c *counters) publish(r *receiver) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.position = r.position
	c.s.events += c.pending.events
	c.s.bytes += c.pending.bytes
	if c.pending.eventTime != 0 {
		c.s.eventTime = time.Unix(int64(c.pending.eventTime), 0)
	}
	c.pending.events, c.pending.bytes = 0, 0
}

// heard notes that bytes arrived.
func (c *counters) heard() {
	now := c.now()
	c.mu.Lock()
	c.s.heardAt = now
	c.mu.Unlock()
}

// heartbeat notes one, which says that the source's end is where we stand.
func (c *counters) heartbeat(r *receiver) {
	now := c.now()
	c.mu.Lock()
	c.s.heartbeats++
	c.s.beat, c.s.beatAt = r.position, now
	c.mu.Unlock()
}

func (c *counters) gap() {
	c.mu.Lock()
	c.s.gaps++
	c.mu.Unlock()
}

func (c *counters) snapshot() received {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s
}
