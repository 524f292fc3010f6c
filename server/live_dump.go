package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// runDump runs the dump loop (session.dump) and ends the connection after it.
//
// The loop's side: it gets a context whose end means "stop at the next boundary
// between two packets and return the context's error". It writes to s.nc, which
// bounds each write, and leaves s.conn's sequence number behind its last packet.
// It keeps s.progress up to date. What it returns decides the end: a *wire.Error
// is sent as the last packet; nil and every other error end the connection without
// a word.
func (s *session) runDump(ctx context.Context, r dumpRequest) error {
	s.quit = true
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	live := &liveDump{session: s, request: r, since: s.server.opts.Now(), replace: func() {
		cancel(errReplaced)
		s.nc.endWritesAt(time.Now().Add(stopGrace))
	}}
	s.progress = &live.progress
	s.setStatus(func(p *sessionStatus) { p.replicaUUID = r.replicaUUID })
	s.server.dumps.add(live)
	defer s.server.dumps.remove(live)
	s.log.Info("dump begins", "server_id", r.serverID, "replica_uuid", r.replicaUUID, "gtid", r.gtid, "file", r.file, "pos", r.pos)

	if !s.clearReadDeadline(ctx) {
		return context.Cause(ctx)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := watchClient(s.conn.NetConn()); ctx.Err() == nil {
			cancel(errors.Join(errClientGone, err))
			s.nc.endWritesAt(time.Unix(1, 0)) // nobody reads what is being written
		}
	}()
	err := s.dump(ctx, r)
	s.dumpEnded(err)
	s.nc.closeWrite()
	<-watched
	return nil
}

// dumpEnded sends the last packet, if there is one to send, counts and logs the end.
func (s *session) dumpEnded(err error) {
	s.server.counters.dumpEnded(err)
	var last *wire.Error
	if errors.As(err, &last) {
		s.log.Warn("dump ends with an error", "errno", last.Number, "err", last.Message)
		s.fail(last)
		return
	}
	switch {
	case err == nil:
		s.log.Info("dump ends at the end of the log, as asked")
	case errors.Is(err, errClientGone), errors.Is(err, errKilled), errors.Is(err, errAccountChanged), errors.Is(err, ErrClosed),
		errors.Is(err, errTemporary):
		s.log.Info("dump ends", "reason", err)
	default:
		s.log.Warn("dump breaks off; the client may come again", "err", err)
	}
}

// liveDump is a dump that is running.
type liveDump struct {
	session  *session
	request  dumpRequest
	since    time.Time
	replace  func() // ends it in favour of another; any goroutine may call it
	progress dumpProgress
}

// dumps knows the dumps that are running.
type dumps struct {
	mu   sync.Mutex
	live []*liveDump // oldest first
}

// add enters a dump and ends the ones of the same replica: those are connections
// whose other end has come back. It does not wait for them.
func (d *dumps) add(l *liveDump) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, old := range d.live {
		if sameReplica(old.request, l.request) {
			old.replace()
		}
	}
	d.live = append(d.live, l)
}

// cutUUID gives what counts of a client's uuid.
func cutUUID(uuid string) string { return uuid[:min(len(uuid), 36)] }

// sameReplica is the rule of kill_zombie_dump_threads (sql/rpl_source.cc) as
// measured: the uuid decides if both have one, the server_id only
// if neither has. server_id 0 is never matched: it belongs to short dumps.
func sameReplica(a, b dumpRequest) bool {
	if a.replicaUUID != "" || b.replicaUUID != "" {
		return cutUUID(a.replicaUUID) == cutUUID(b.replicaUUID)
	}
	return a.serverID != 0 && a.serverID == b.serverID
}

func (d *dumps) remove(l *liveDump) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.live, l); i >= 0 {
		d.live = slices.Delete(d.live, i, i+1)
	}
}

func (d *dumps) running(s *session) bool {
	return slices.ContainsFunc(d.all(), func(l *liveDump) bool { return l.session == s })
}

func (d *dumps) all() []*liveDump {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.live)
}
