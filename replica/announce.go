package replica

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// announcedChecksum is what we say that we understand. The source then sends
// every file as it stands, whatever its algorithm is; only the first artificial
// ROTATE follows the announcement (mysqld: Binlog_sender::init_checksum_alg).
const announcedChecksum = replication.ChecksumCRC32

// announce tells the source what a replica tells it before a dump (mysqld:
// sql/rpl_replica.cc, get_master_version_and_clock, io_thread_init_commands),
// each variable under its older and its newer name.
func (r *Replica) announce(ctx context.Context, conn *dial.Conn) error {
	period := r.options.HeartbeatPeriod.Nanoseconds()
	for _, statement := range []string{
		fmt.Sprintf("SET @master_heartbeat_period = %d, @source_heartbeat_period = %d", period, period),
		fmt.Sprintf("SET @master_binlog_checksum = '%s', @source_binlog_checksum = '%s'", announcedChecksum, announcedChecksum),
		fmt.Sprintf("SET @slave_uuid = '%s', @replica_uuid = '%s'", r.options.ServerUUID, r.options.ServerUUID),
	} {
		if _, err := conn.Query(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// requestDump registers us at the source, so that SHOW REPLICAS lists us, and
// asks for its binlog. What follows on conn is the stream; its first packet has
// sequence number 1.
func (r *Replica) requestDump(conn net.Conn, at replication.Position, info SourceInfo) error {
	if err := conn.SetDeadline(time.Now().Add(r.silence())); err != nil {
		return err
	}
	w := wire.NewConn(conn)
	register := wire.RegisterReplica{ServerID: r.options.ServerID, Host: r.options.ReportHost, Port: r.options.ReportPort}
	if err := r.send(w, register.Append(nil)); err != nil {
		return err
	}
	answer, err := w.ReadPacket(wire.MaxPart)
	if err != nil {
		return err
	}
	if wire.IsError(answer) {
		e, err := wire.DecodeError(answer)
		if err != nil {
			return err
		}
		return r.missingPrivilege("REPLICATION SLAVE", e)
	}
	dump, err := r.dumpCommand(at, info)
	if err != nil {
		return err
	}
	w.ResetSequence()
	return r.send(w, dump)
}

func (r *Replica) send(w *wire.Conn, payload []byte) error {
	if err := w.WritePacket(payload); err != nil {
		return err
	}
	return w.Flush()
}

// dumpCommand asks by file and position, the only way to get every byte. The
// plain command has 32 bits for the position. Beyond that the GTID form, with an
// empty set, takes file and position too, where the source has gtid_mode ON.
func (r *Replica) dumpCommand(at replication.Position, info SourceInfo) ([]byte, error) {
	if at.Offset <= r.plainDumpEnd {
		dump := wire.BinlogDump{Position: uint32(at.Offset), ServerID: r.options.ServerID, File: at.File}
		return dump.Append(nil), nil
	}
	if info.GTIDMode != "ON" {
		return nil, stopf(StopConfiguration, "cannot resume at %s: a source with gtid_mode %s sends nothing from behind 4 GiB of a file", at, info.GTIDMode)
	}
	dump := wire.BinlogDumpGTID{ServerID: r.options.ServerID, File: at.File, Position: uint64(at.Offset), GTIDSet: make([]byte, 8)}
	return dump.Append(nil), nil
}

// silence is how long the source may send nothing at all.
func (r *Replica) silence() time.Duration {
	return silentHeartbeats * r.options.HeartbeatPeriod
}
