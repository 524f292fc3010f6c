package replica

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replication"
)

// connect makes one connection and receives until it ends. It returns why: never nil.
func (r *Replica) connect(ctx context.Context) error {
	conn, err := dial.Open(ctx, r.options.Source)
	if err != nil {
		return err
	}
	defer conn.Close()
	info, err := r.identify(ctx, conn)
	if err != nil {
		return err
	}
	r.status.connected(info, conn.ID(), conn.TLS())
	if r.options.OnSource != nil {
		if err := r.options.OnSource(ctx, info); err != nil {
			return err
		}
	}
	if !r.registered {
		if err := r.checkServerID(ctx, conn); err != nil {
			return err
		}
	}
	receiver, err := r.begin(ctx, conn, r.reach(info))
	if err != nil {
		return err
	}
	if err := r.announce(ctx, conn); err != nil {
		return err
	}
	below, err := conn.Takeover()
	if err != nil {
		return err
	}
	return r.receive(ctx, below, receiver, info)
}

// begin asks the sink and the source's list of files where the stream is to
// begin, and returns the receiver that takes it.
func (r *Replica) begin(ctx context.Context, conn *dial.Conn, reach replication.Reach) (*receiver, error) {
	files, err := r.binaryLogs(ctx, conn)
	if err != nil {
		return nil, err
	}
	r.status.listed(files)
	h, err := r.held(reach)
	if err != nil {
		return nil, err
	}
	s, err := chooseStart(h, files, r.options.From)
	if err != nil {
		return nil, err
	}
	if s.gap != "" && r.options.OnGap == OnGapStop {
		return nil, stopf(StopGap, "%s; what lies between is lost, and on-gap is %s", s.gap, OnGapStop)
	}
	receiver := newReceiver(r.options.Sink, &r.counters, s.at)
	receiver.compareTo = h.end
	receiver.ready = r.becomeReady
	if s.gap != "" {
		r.options.Logger.Warn("binlog files are gone at the source", "gap", s.gap)
		receiver.gap = &gapRecord{reason: s.gap}
	}
	return receiver, nil
}

// reach is what the source can be asked for in the gtid_mode that it has just told.
func (r *Replica) reach(info SourceInfo) replication.Reach {
	reach := replication.Reach{Farthest: r.plainDumpEnd}
	switch info.GTIDMode {
	case "ON":
		reach.Farthest, reach.Refuses = math.MaxInt64, replication.AnonymousTransactions
	case "OFF":
		reach.Refuses = replication.GTIDTransactions
	}
	return reach
}

// held asks the sink what it has.
func (r *Replica) held(reach replication.Reach) (h held, err error) {
	if h.from, h.any, err = r.options.Sink.Resume(reach); err != nil {
		return h, &sinkError{err}
	}
	if !h.any {
		return h, nil
	}
	h.end, _ = r.options.Sink.End()
	h.next = r.options.Sink.Successor()
	switch {
	case r.refused == refusal{reach.Refuses, h.end}:
		h.lost = fmt.Sprintf("the source's gtid_mode has changed, and it refuses to send the %s of %s behind %d", reach.Refuses, h.end.File, h.end.Offset)
	case h.from.Offset > reach.Farthest:
		h.lost = fmt.Sprintf("the source's gtid_mode has changed, and it can send nothing of %s behind %d", h.end.File, h.end.Offset)
	}
	return h, nil
}

// receive asks for the stream on conn and takes it.
func (r *Replica) receive(ctx context.Context, conn net.Conn, receiver *receiver, info SourceInfo) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := r.requestDump(conn, receiver.position, info); err != nil {
		return err
	}
	r.registered = true
	r.status.receiving()
	r.options.Logger.Info("receiving", "file", receiver.begin.File, "pos", receiver.begin.Offset)

	ctx, cancel := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer cancel()
	var anew, failed error // written by the watchers, read when they were joined
	watchers.Go(func() {
		if anew = r.pollEnd(ctx); anew != nil {
			conn.Close()
		}
	})
	watchers.Go(func() {
		if failed = r.options.Sink.Failed(ctx); failed != nil {
			conn.Close()
		}
	})

	receiver.packets = packets{conn: conn, buf: make([]byte, receiveBuffer), seq: 1, beforeRead: r.beforeRead(conn, receiver)}
	err := receiver.run()
	cancel()
	watchers.Wait()
	switch {
	case failed != nil:
		err = &sinkError{failed}
	case anew != nil:
		err = anew
	}
	r.attempt = receiver.outcome()
	r.options.Sink.Flush()
	if kind := refusedKind(err); kind != replication.NoTransactions {
		r.refused = refusal{kind, receiver.position}
	}
	return r.streamError(receiver, err)
}

// refusal says that the source would not send a transaction of that kind, which
// comes next there. It will not as long as its gtid_mode is what it was: then the
// rest of the file is lost, and the next connection begins behind it.
type refusal struct {
	kind replication.TransactionKind
	at   replication.Position
}

// beforeRead returns what is done whenever the receiver has to read from the
// socket: it publishes what was counted, tells the sink when nothing more waits
// there, lets data gather while the stream is fast, and lets the read wait no longer
// than the source may be silent.
func (r *Replica) beforeRead(conn net.Conn, receiver *receiver) func(drained bool) error {
	var flushed replication.Position
	var pace pace
	_, records := conn.(*tls.Conn) // each read gives one record: that it was short says nothing of the socket
	return func(drained bool) error {
		r.counters.publish(receiver)
		r.counters.heard()
		if drained && receiver.position != flushed {
			r.options.Sink.Flush()
			flushed = receiver.position
		}
		if drained && !records {
			time.Sleep(pace.pause(time.Now(), receiver.packets.read))
		}
		return conn.SetReadDeadline(time.Now().Add(r.silence()))
	}
}
