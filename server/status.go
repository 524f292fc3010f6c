package server

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Replica is one running dump.
type Replica struct {
	ConnectionID uint32               `json:"connection_id"`
	User         string               `json:"user"`
	Host         string               `json:"host"` // with port
	TLS          bool                 `json:"tls"`
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
			ConnectionID: l.session.id, User: p.user, Host: p.host, TLS: l.session.nc.secured != nil, ServerID: l.request.serverID, UUID: l.request.replicaUUID,
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
	Evicted     uint64 // closed before their login, to make room
	Delayed     uint64 // logins that had to wait because others had failed
	Commands    uint64

	// AuthFailures by reason: "denied" (user or password), "throttled" (not judged, because
	// too many had failed before), "insecure" (without TLS, which
	// is required), "tls" (its handshake failed), "timeout", "protocol" (broken off or
	// malformed), "ended" (by the server: shutdown, too many pending, the
	// account has changed).
	AuthFailures map[string]uint64

	// DumpEnds by reason: "done" (EOF of a non-blocking dump), "client" (it has gone),
	// "replaced" (by the same replica), "killed", "account" (it was removed or
	// changed), "shutdown", "refused" (an error packet was sent), "broken" (everything
	// else; the client will come again).
	DumpEnds map[string]uint64
}

// counters are what Stats is made of.
type counters struct {
	connections, refused, notReady, commands         atomic.Uint64
	authDenied, authTimeout, authProtocol, authEnded atomic.Uint64
	authInsecure, authTLS, authThrottled             atomic.Uint64
	evicted, delayed                                 atomic.Uint64
	dumpEnds                                         [len(dumpEndReasons)]atomic.Uint64
}

var dumpEndReasons = [...]string{"done", "client", "replaced", "killed", "account", "shutdown", "refused", "broken"}

func (c *counters) dumpEnded(err error) {
	var refusal *wire.Error
	reason := len(dumpEndReasons) - 1
	for i, is := range [...]bool{err == nil, errors.Is(err, errClientGone), errors.Is(err, errReplaced), errors.Is(err, errKilled),
		errors.Is(err, errAccountChanged), errors.Is(err, ErrClosed), errors.As(err, &refusal)} {
		if is {
			reason = i
			break
		}
	}
	c.dumpEnds[reason].Add(1)
}

// Stats returns a snapshot of the counters.
func (s *Server) Stats() Stats {
	c := &s.counters
	loggedIn, pending := s.sessions.count()
	ends := make(map[string]uint64, len(dumpEndReasons))
	for i, reason := range dumpEndReasons {
		ends[reason] = c.dumpEnds[i].Load()
	}
	return Stats{
		DumpEnds: ends,
		LoggedIn: loggedIn, Pending: pending,
		Connections: c.connections.Load(), Refused: c.refused.Load(), NotReady: c.notReady.Load(), Evicted: c.evicted.Load(), Delayed: c.delayed.Load(),
		Commands: c.commands.Load(),
		AuthFailures: map[string]uint64{
			"denied": c.authDenied.Load(), "timeout": c.authTimeout.Load(),
			"protocol": c.authProtocol.Load(), "ended": c.authEnded.Load(),
			"insecure": c.authInsecure.Load(), "tls": c.authTLS.Load(), "throttled": c.authThrottled.Load(),
		},
	}
}
