package server

import (
	"context"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// heartbeat frames a heartbeat: everything before end in the current file was
// sent or skipped. Version 2 only where version 1 cannot say the position and the
// client means that flag as MySQL does: MariaDB, Canal and older libraries set
// the same bit for something else.
func (d *dump) heartbeat(end int64) {
	hb := replication.Heartbeat{File: d.file, Offset: end}
	if end>>32 != 0 && d.request.flags&wire.DumpHeartbeatV2 != 0 && d.request.mariadbCapability == 0 {
		d.made = replication.AppendHeartbeatV2(d.made[:0], d.source.ServerID, hb, d.checksum)
	} else {
		d.made = replication.AppendHeartbeat(d.made[:0], d.source.ServerID, hb, d.checksum)
	}
	d.send(d.made)
}

// tail waits at the end of what is published until there is more, sending
// heartbeats. A non-blocking dump ends there with an EOF packet, and done is true.
func (d *dump) tail(ctx context.Context, changed <-chan struct{}) (done bool, err error) {
	d.flushSkip()
	if err := d.flush(); err != nil {
		return false, err
	}
	if d.request.nonBlock {
		return true, d.endOfStream()
	}
	for {
		select {
		case <-changed:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-d.heartbeatTimer():
			if err := d.heartbeatIfDue(); err != nil {
				return false, err
			}
		}
	}
}

// heartbeatTimer fires at the earliest when the client has heard nothing for its
// heartbeat period. It runs on while events are sent, so that a wait costs nothing.
func (d *dump) heartbeatTimer() <-chan time.Time {
	if d.request.heartbeat <= 0 {
		return nil
	}
	if d.timer == nil {
		d.timer = time.NewTimer(time.Until(d.lastSent.Add(d.request.heartbeat)))
	}
	return d.timer.C
}

// heartbeatIfDue sends a heartbeat if the client has heard nothing for its period.
// It never does between a ROTATE and the next FORMAT_DESCRIPTION, where MariaDB
// replicas take a heartbeat for damage.
func (d *dump) heartbeatIfDue() error {
	silent := time.Since(d.lastSent)
	if silent < d.request.heartbeat {
		d.timer.Reset(d.request.heartbeat - silent)
		return nil
	}
	d.timer.Reset(d.request.heartbeat)
	if d.rotated {
		return nil
	}
	d.heartbeat(d.end)
	return d.flush()
}

// endOfStream sends the classic EOF packet that ends a non-blocking dump, also
// for clients with DEPRECATE_EOF (captured from mysqld 9.7).
func (d *dump) endOfStream() error {
	eof := wire.EOF{Status: wire.StatusAutocommit}.Append(nil)
	d.out = d.frame.Start(d.out, int64(len(eof)))
	d.out = d.frame.Append(d.out, eof)
	return d.flush()
}
