package replica

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replication"
)

// maxPollPeriod bounds how old the source's end in a Status may be while the
// source sends events (heartbeats, which tell it too, come only while it doesn't).
const maxPollPeriod = 5 * time.Second

// errBeganAnew says that the source's log ends before what it has sent. A dump
// that was running when the log was reset hears nothing more, not even that: a new
// connection compares and finds out.
var errBeganAnew = errors.New("the source's log ends before what was received of it")

// pollEnd asks the source for the end of its log, on a connection of its own,
// until ctx ends or the log proves to have begun anew, and returns errBeganAnew
// then. Other errors are logged, and the next turn tries again: only the lag in
// bytes depends on them.
func (r *Replica) pollEnd(ctx context.Context) error {
	options := r.options.Source
	options.Attributes = maps.Clone(options.Attributes)
	delete(options.Attributes, "_client_role")
	ticker := time.NewTicker(min(maxPollPeriod, r.options.HeartbeatPeriod))
	defer ticker.Stop()
	var conn *dial.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		var err error
		if conn == nil {
			conn, err = dial.Open(ctx, options)
		}
		if err == nil {
			err = r.askEnd(ctx, conn)
		}
		if errors.Is(err, errBeganAnew) {
			return err
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		r.options.Logger.Debug("the source did not tell the end of its log", "err", err)
		if conn != nil {
			conn.Close()
			conn = nil
		}
	}
}

// askEnd notes the end of the source's log, and its files when it began a new one.
func (r *Replica) askEnd(ctx context.Context, conn *dial.Conn) error {
	received := r.counters.snapshot().position // before the question: the answer may only be further
	result, err := conn.Query(ctx, "SHOW BINARY LOG STATUS")
	if dial.Number(err) == erParseError { // before 8.2
		result, err = conn.Query(ctx, "SHOW MASTER STATUS")
	}
	if err != nil {
		return err
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) < 2 {
		return errors.New("no binary log status")
	}
	file := result.Rows[0][0]
	offset, err := strconv.ParseInt(result.Rows[0][1], 10, 64)
	if err != nil || offset < 0 {
		return errors.New("the binary log status has no position")
	}
	if err := replication.ValidFileName(file); err != nil {
		return err
	}
	if file != r.status.newestFile() {
		files, err := r.binaryLogs(ctx, conn)
		if err != nil {
			return err
		}
		r.status.listed(files)
	}
	r.status.sourceEnd(replication.Position{File: file, Offset: offset})
	if order, ok := compareNames(file, received.File); ok && (order < 0 || order == 0 && offset < received.Offset) {
		return errBeganAnew
	}
	return nil
}
