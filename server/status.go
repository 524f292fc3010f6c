package server

import (
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Replica is one running dump.
type Replica struct {
	ConnectionID uint32               `json:"connection_id"`
	User         string               `json:"user"`
	Host         string               `json:"host"` // with port
	ServerID     uint32               `json:"server_id"`
	UUID         string               `json:"uuid,omitempty"`
	GTID         bool                 `json:"gtid"`     // auto-position, else file and position
	Position     replication.Position `json:"position"` // behind the last event sent; zero before the first
	Bytes        int64                `json:"bytes"`    // sent, packet headers included
	Since        time.Time            `json:"since"`
}

// Replicas returns the dumps that are running, oldest first.
func (s *Server) Replicas() []Replica {
	live := s.dumps.all()
	replicas := make([]Replica, 0, len(live))
	for _, l := range live {
		p := l.session.published()
		var position replication.Position
		if at := l.progress.position.Load(); at != nil {
			position = *at
		}
		replicas = append(replicas, Replica{
			ConnectionID: l.session.id, User: p.user, Host: p.host, ServerID: l.request.serverID, UUID: l.request.replicaUUID,
			GTID: l.request.gtid, Position: position, Bytes: l.progress.bytes.Load(), Since: l.since,
		})
	}
	return replicas
}

// Stats are counts since the start, but for the first two.
type Stats struct {
	LoggedIn int // connections now
	Pending  int // connections that have not logged in yet, now

	Connections uint64 // accepted
	Refused     uint64 // with error 1040
	NotReady    uint64 // closed because nothing was known of the source
	Commands    uint64

	// AuthFailures by reason: "denied" (user or password), "timeout", "protocol"
	// (broken off or malformed), "ended" (by the server: shutdown, too many pending).
	AuthFailures map[string]uint64
}

// counters are what Stats is made of.
type counters struct {
	connections, refused, notReady, commands         atomic.Uint64
	authDenied, authTimeout, authProtocol, authEnded atomic.Uint64
}

// Stats returns a snapshot of the counters.
func (s *Server) Stats() Stats {
	c := &s.counters
	loggedIn, pending := s.sessions.count()
	return Stats{
		LoggedIn: loggedIn, Pending: pending,
		Connections: c.connections.Load(), Refused: c.refused.Load(), NotReady: c.notReady.Load(), Commands: c.commands.Load(),
		AuthFailures: map[string]uint64{
			"denied": c.authDenied.Load(), "timeout": c.authTimeout.Load(),
			"protocol": c.authProtocol.Load(), "ended": c.authEnded.Load(),
		},
	}
}
