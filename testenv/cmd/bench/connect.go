package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

// connects is how often a replica starts for the figure about that.
const connects = 1000

// seeks is how often a GTID is looked for in each run.
const seeks = 5

// connect measures how a replica starts: from the connect, over all that mysqld's own
// receiver asks before it registers and dumps, to the first event.
func (b *bencher) connect(ctx context.Context, s *source) (err error) {
	if s.kind.name != small { // what the file consists of does not matter
		return nil
	}
	ours, mysqld, end, err := b.both(ctx, s.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	runner := func(name string, v server) bench.Runner {
		return bench.Runner{Name: name, Run: func(ctx context.Context) (map[string]float64, error) {
			d, err := startReplicaAt(ctx, v.addr, nil, replication.FormatDescriptionEvent)
			return map[string]float64{"start": d.whole}, err
		}}
	}
	samples, err := bench.InTurn(ctx, connects, runner("ours", ours), runner("mysqld", mysqld))
	if err != nil {
		return err
	}
	us, them := samples["ours"]["start"], samples["mysqld"]["start"]
	b.add(
		bench.Result{Name: "a replica's start until the first event, against mysqld", Unit: "ms", Ours: us, Peer: them, Goal: bench.AtMostRatio(1)},
		bench.Result{Name: "a replica's start, p99", Unit: "ms", Ours: bench.Sample{us.Quantile(0.99)}, Peer: bench.Sample{them.Quantile(0.99)}},
	)
	return b.seek(ctx, s, ours, mysqld)
}

// seek measures how the last GTID of the file is found: from the dump command of a
// client that has all others until its transaction comes.
func (b *bencher) seek(ctx context.Context, s *source, ours, mysqld server) error {
	has, err := s.allButLast(ctx)
	if err != nil {
		return err
	}
	runner := func(name string, v server) bench.Runner {
		return bench.Runner{Name: name, Run: func(ctx context.Context) (map[string]float64, error) {
			d, err := startReplicaAt(ctx, v.addr, has, replication.GTIDEventType)
			return map[string]float64{"seek": d.dump}, err
		}}
	}
	samples, err := bench.InTurn(ctx, b.runs*seeks, runner("ours", ours), runner("mysqld", mysqld))
	if err != nil {
		return err
	}
	b.add(bench.Result{
		Name: fmt.Sprintf("finding the last GTID of a file of %d MiB, %s events, against mysqld", s.file.Size>>20, s.kind.name), Unit: "ms",
		Ours: samples["ours"]["seek"], Peer: samples["mysqld"]["seek"], Goal: bench.AtMost(10),
	})
	return nil
}

// allButLast are the GTIDs of the source's file without the last one.
func (s *source) allButLast(ctx context.Context) (*replication.GTIDSet, error) {
	text, err := s.server.ServerUUID(ctx)
	if err != nil {
		return nil, err
	}
	return replication.ParseGTIDSet(fmt.Sprintf("%s:1-%d", text, s.file.Transactions-1))
}

// started is how long the start of a dump took, in milliseconds.
type started struct {
	whole float64 // from the connect on
	dump  float64 // from the dump command on
}

// replicaStatements are what the receiver of a replica of MySQL 9.7 asks (mysqld:
// get_master_version_and_clock, get_master_uuid, io_thread_init_commands), in its order.
var replicaStatements = []string{
	"SELECT UNIX_TIMESTAMP()",
	"SELECT @@GLOBAL.SERVER_ID",
	"SET @source_heartbeat_period= 1000000000", // so that mysqld soon notices that the client is gone
	"SET @source_binlog_checksum= @@global.binlog_checksum",
	"SELECT @source_binlog_checksum",
	"SELECT @@GLOBAL.GTID_MODE",
	"SELECT @@GLOBAL.SERVER_UUID",
}

// startReplicaAt starts as a replica that has the given set, and returns when an event
// of that type comes.
func startReplicaAt(ctx context.Context, addr string, has *replication.GTIDSet, until replication.EventType) (d started, err error) {
	start := time.Now()
	serverID := uint32(start.UnixNano()&0xffffff) + 1<<30 // each client is another, so that none throws out the one before
	nc, err := askAsReplica(ctx, addr, serverID)
	if err != nil {
		return d, err
	}
	defer nc.Close()
	if err := nc.SetDeadline(start.Add(receiveLimit)); err != nil {
		return d, err
	}
	conn := wire.NewConn(nc)
	registration := wire.RegisterReplica{ServerID: serverID, Host: "bench", Port: 3306}
	if err := errors.Join(conn.WritePacket(registration.Append(nil)), conn.Flush()); err != nil {
		return d, err
	}
	if payload, err := conn.ReadPacket(1 << 16); err != nil {
		return d, fmt.Errorf("registering at %s: %w", addr, err)
	} else if wire.IsError(payload) {
		return d, fmt.Errorf("registering at %s: %.200q", addr, payload)
	}
	if has == nil {
		has = &replication.GTIDSet{}
	}
	command := wire.BinlogDumpGTID{ServerID: serverID, Position: uint64(replication.FirstEventOffset), GTIDSet: has.AppendWire(nil)}
	dump := time.Now()
	conn.ResetSequence()
	if err := errors.Join(conn.WritePacket(command.Append(nil)), conn.Flush(), awaitEvent(conn, until)); err != nil {
		return d, fmt.Errorf("a dump of %s: %w", addr, err)
	}
	now := time.Now()
	return started{whole: milliseconds(now.Sub(start)), dump: milliseconds(now.Sub(dump))}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// askAsReplica logs in and asks what a replica does before it registers.
func askAsReplica(ctx context.Context, addr string, serverID uint32) (net.Conn, error) {
	conn, err := dial.Open(ctx, credentials(addr))
	if err != nil {
		return nil, err
	}
	statements := append(replicaStatements[:len(replicaStatements):len(replicaStatements)],
		fmt.Sprintf("SET @replica_uuid= '6b696e64-0000-4000-8000-%012x'", serverID))
	for _, statement := range statements {
		if _, err := conn.Query(ctx, statement); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn.Takeover()
}

// awaitEvent reads a dump until an event of the type comes.
func awaitEvent(conn *wire.Conn, until replication.EventType) error {
	for {
		payload, err := conn.ReadPacket(1 << 30)
		if err != nil {
			return err
		}
		if len(payload) == 0 || payload[0] != 0 {
			return fmt.Errorf("it is answered with %.200q", payload)
		}
		h, err := replication.ParseHeader(payload[1:])
		if err != nil || h.Type == until {
			return err
		}
	}
}
