package server

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// dumpRequest is what a client wants from a dump: its command, its user variables
// at that time.
type dumpRequest struct {
	gtid     bool                 // COM_BINLOG_DUMP_GTID
	file     string               // without directory; "": the first file held, or with gtid the one that fits set
	pos      uint64               // 4 with gtid and no file
	set      *replication.GTIDSet // what the client has; nil unless gtid
	flags    wire.DumpFlags
	nonBlock bool   // EOF at the end instead of waiting
	serverID uint32 // the session's from now on

	checksum          clientChecksum
	heartbeat         time.Duration // 0: none when idle
	replicaUUID       string        // "" if not said
	mariadbCapability int           // 0 if not said
}

// clientChecksum is what the client has said about checksums. It decides the first
// fake ROTATE, and whether a file with checksums may be sent at all.
type clientChecksum uint8

const (
	checksumUndeclared clientChecksum = iota // never set, or NULL: the client does not know them
	checksumOther                            // NONE, or a word that is no algorithm
	checksumCRC32
)

// anyDump answers both dump commands. As in mysqld the privilege comes before
// everything else, and refusing it leaves the connection open.
func (s *session) anyDump(ctx context.Context, command wire.Command, payload []byte) error {
	if !s.account.may(ReplicationSlave) {
		return s.answer(privilegeNeeded("REPLICATION SLAVE"))
	}
	if command == wire.ComBinlogDump {
		return s.binlogDump(ctx, payload)
	}
	return s.binlogDumpGTID(ctx, payload)
}

func (s *session) binlogDump(ctx context.Context, payload []byte) error {
	d, err := wire.DecodeBinlogDump(payload)
	if err != nil {
		s.quit = true // as mysqld does after both dump commands
		return s.malformed()
	}
	return s.startDump(ctx, dumpRequest{file: d.File, pos: uint64(d.Position), flags: d.Flags, serverID: d.ServerID})
}

func (s *session) binlogDumpGTID(ctx context.Context, payload []byte) error {
	d, err := wire.DecodeBinlogDumpGTID(payload)
	if err != nil {
		s.quit = true
		return s.malformed()
	}
	set, err := replication.DecodeGTIDSet(d.GTIDSet)
	if err != nil {
		s.quit = true
		s.log.Warn("a dump command's GTID set cannot be read", "err", err)
		return s.answer(wire.Errorf(wire.ERMalformedGTIDSet, "Malformed GTID set encoding."))
	}
	r := dumpRequest{gtid: true, file: d.File, pos: d.Position, set: set, flags: d.Flags, serverID: d.ServerID}
	if r.file == "" {
		r.pos = uint64(replication.FirstEventOffset) // another offset of a file that we choose would mean nothing
	}
	return s.startDump(ctx, r)
}

// startDump completes the request and runs the dump.
func (s *session) startDump(ctx context.Context, r dumpRequest) error {
	r.file = fileName(r.file)
	r.nonBlock = r.flags&wire.DumpNonBlock != 0 || r.serverID == 0
	r.checksum = s.declaredChecksum()
	r.heartbeat = s.heartbeatPeriod()
	r.replicaUUID, _ = s.replicaUUID()
	if v, ok := s.variables.first("mariadb_slave_capability"); ok {
		r.mariadbCapability = int(min(v.uint64(), math.MaxInt32))
	}
	if s.mysqld && r.checksum == checksumUndeclared {
		// Every replica since 5.6 declares it. A connection that broke between its
		// statements is reopened by the client library, which does not repeat them:
		// mysqld would answer 1236 now, and stop the replica for what a new try mends.
		s.log.Warn("a replica's connection was reopened between its statements; it is closed so that the replica begins anew")
		s.quit = true
		return nil
	}
	return s.runDump(ctx, r)
}

// fileName leaves directories out: "./binlog.000001".
func fileName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func (s *session) declaredChecksum() clientChecksum {
	v, ok := s.variables.first("source_binlog_checksum", "master_binlog_checksum")
	switch {
	case !ok:
		return checksumUndeclared
	case strings.EqualFold(v.text, replication.ChecksumCRC32.String()):
		return checksumCRC32
	}
	return checksumOther
}

// heartbeatPeriod is in nanoseconds on the wire.
func (s *session) heartbeatPeriod() time.Duration {
	v, _ := s.variables.first("source_heartbeat_period", "master_heartbeat_period")
	return time.Duration(min(v.uint64(), math.MaxInt64))
}
