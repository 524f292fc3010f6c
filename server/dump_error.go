package server

import (
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// fatalError is an error with number 1236, which stops a MySQL replica until a
// person comes: only for what cannot mend itself.
func fatalError(text string) error {
	return wire.Errorf(wire.ERMasterFatalReadingLog, "%s", text[:min(len(text), maxErrorText)])
}

// maxErrorText is where mysqld cuts the text of an error packet, in bytes
// (MYSQL_ERRMSG_SIZE, less the NUL).
const maxErrorText = 511

// errTemporary ends a dump by closing the connection, so that the client comes
// again by itself.
var errTemporary = errors.New("the log does not hold yet what the client asks for")

// dumpPlace is where a dump stands, as mysqld appends it to the texts of errors
// that are found while a file is open.
type dumpPlace struct {
	first    replication.Position // what the client asked for: without a file if it named none
	last     replication.Position // behind the last event read
	lastByte replication.Position // behind the last byte read
}

// read enters that everything up to an event's end was read.
func (p *dumpPlace) read(file string, end int64) {
	p.last = replication.Position{File: file, Offset: end}
	p.lastByte = p.last
}

// fatal makes a fatalError with the place appended (mysqld: Binlog_sender::run).
// The names of files have the directory that they have in mysqld unless log_bin
// says otherwise.
func (d *dump) fatal(text string) error {
	p := &d.place
	return fatalError(fmt.Sprintf("%s; the first event '%s' at %d, the last event read from './%s' at %d, the last byte read from './%s' at %d.",
		text, p.first.File, p.first.Offset, p.last.File, p.last.Offset, p.lastByte.File, p.lastByte.Offset))
}

// openError turns an error of the log at the start of a dump into what the
// client is told, in mysqld's words.
func (d *dump) openError(err error) error {
	switch {
	case errors.Is(err, archive.ErrNoSuchFile):
		return fatalError("Could not find first log file name in binary log index file")
	case errors.Is(err, archive.ErrPositionTooSmall):
		return fatalError("Client requested source to start replication from position < 4")
	case errors.Is(err, archive.ErrPositionTooLarge):
		return fatalError("Client requested source to start replication from position > file size")
	}
	return err
}

// readError turns an error of a reader into what the client is told. A gap in
// history is what purged files are to a client; what may pass just closes the connection.
func (d *dump) readError(err error) error {
	var gap *archive.GapError
	var position *archive.PositionError
	switch {
	case errors.As(err, &gap):
		return d.gapError(gap)
	case errors.As(err, &position):
		return d.positionError(position)
	}
	return err
}

// positionError says that no event can be read where the client begins: what it
// took for a header was read, and a possible event up to the end of the file
// (mysqld: Binlog_event_data_istream::check_event_header).
func (d *dump) positionError(e *archive.PositionError) error {
	d.place.lastByte = replication.Position{File: e.Position.File, Offset: e.Limit}
	headerEnd := e.Position.Offset + replication.HeaderSize
	if headerEnd <= e.Limit && e.Size < replication.HeaderSize {
		d.place.lastByte.Offset = headerEnd
		return d.fatal("bogus data in log event")
	}
	if e.Size > replication.MaxEventSize {
		d.place.lastByte.Offset = headerEnd
		return d.fatal("log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source")
	}
	return d.fatal("binlog truncated in the middle of event; consider out of disk space on source")
}

// replacedError is what the older one of two equal replicas gets (mysqld:
// Binlog_sender::run, kill_zombie_dump_threads). Before a file is open it has no place.
func (d *dump) replacedError() error {
	const text = "A replica with the same server_uuid/server_id as this replica has connected to the source"
	if d.file == "" {
		return fatalError(text)
	}
	return d.fatal(text)
}

func (d *dump) gapError(gap *archive.GapError) error {
	if d.request.gtid {
		missing := gap.Gap.Missing.Subtract(d.request.set)
		if missing.IsEmpty() { // only what has no GTIDs is lost: the files behind are found when the client comes again
			return errTemporary
		}
		return purgedError(d.request.set, missing)
	}
	return d.fatal("could not find next log")
}

// purgedError says that the client needs transactions that are gone (mysqld:
// ER_SOURCE_HAS_PURGED_REQUIRED_GTIDS); sets too long for an error packet are left out.
func purgedError(held, missing *replication.GTIDSet) error {
	const intro = "Cannot replicate because the source purged required binary logs. Replicate the missing transactions from elsewhere, " +
		"or provision a new replica from backup. Consider increasing the source's binary log expiration period."
	text := fmt.Sprintf("%s The GTID set sent by the replica is '%s', and the missing transactions are '%s'", intro, held, missing)
	if len(text) > maxErrorText+1 { // one byte more than fits, as in mysqld
		text = intro + " The GTID sets and the missing purged transactions are too long to print in this message. " +
			"For more information, please see the source's error log or the manual for GTID_SUBTRACT"
	}
	return fatalError(text)
}

// moreGTIDsError says that the client has transactions of the source that are not
// held here (mysqld: ER_REPLICA_HAS_MORE_GTIDS_THAN_SOURCE).
func moreGTIDsError() error {
	return fatalError("Replica has more GTIDs than the source has, using the source's SERVER_UUID. " +
		"This may indicate that the the last binary log file was truncated or lost, e.g., after a power failure when sync_binlog != 1. " +
		"The source may have rolled back transactions that were already replicated to the replica. " +
		"Replicate any transactions that source has rolled back from replica to source, and/or commit empty transactions on source " +
		"to account for transactions that have been committed on source but are not included in GTID_EXECUTED.")
}
