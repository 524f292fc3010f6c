package replica

import (
	"errors"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

// erFatalReadingBinlog is ER_SOURCE_FATAL_ERROR_READING_BINLOG, with which a
// source ends a dump; what it means is in its text (mysqld: sql/rpl_binlog_sender.cc).
const erFatalReadingBinlog = 1236

// trouble is what an error of a connection calls for.
type trouble int

const (
	transient trouble = iota // try again
	duplicate                // another replica has our identity: try again, but do not fight
	suspect                  // nothing that can be read stands where we resumed
)

// Parts of the texts of error 1236, the same in all versions unless noted.
var troubleTexts = []struct {
	part string
	trouble
}{
	{"with the same server_uuid/server_id", duplicate},
	{"bogus data in log event", suspect},
	{"truncated in the middle of event", suspect},
	{"exceeded max_allowed_packet", suspect},
	{"did not pass crc check", suspect},
	{"event read from binlog", suspect},
}

// classify reads an error that ended a stream.
func classify(err error) trouble {
	var stream *StreamError
	if errors.As(err, &stream) {
		var sum *replication.ChecksumError
		var malformed *replication.MalformedError
		if errors.As(err, &sum) || errors.As(err, &malformed) {
			return suspect
		}
		return transient
	}
	var e *wire.Error
	if !errors.As(err, &e) || e.Number != erFatalReadingBinlog {
		return transient
	}
	for _, t := range troubleTexts {
		if strings.Contains(e.Message, t.part) {
			return t.trouble
		}
	}
	return transient
}

// refusedKind is the kind of transactions that the source will not send as long as
// its gtid_mode is as it is, if that is why it ended the stream.
func refusedKind(err error) replication.TransactionKind {
	var e *wire.Error
	switch {
	case !errors.As(err, &e) || e.Number != erFatalReadingBinlog:
	case strings.Contains(e.Message, "replicate anonymous transaction when"):
		return replication.AnonymousTransactions
	case strings.Contains(e.Message, "replicate GTID-transaction when"):
		return replication.GTIDTransactions
	}
	return replication.NoTransactions
}

// streamError makes an error that ended a stream permanent, where it is.
func (r *Replica) streamError(receiver *receiver, err error) error {
	var e *wire.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Number == erFatalReadingBinlog && strings.Contains(e.Message, "position > file size"):
		return stopf(StopHistory, "the source's %s ends before %d, where we resume: it has lost its end or began anew: %w",
			receiver.begin.File, receiver.begin.Offset, err)
	case e.Number == erFatalReadingBinlog && strings.Contains(e.Message, "server_id is 0"):
		return stopf(StopConfiguration, "source %s: %w", r.options.Source.Addr, err)
	}
	return r.missingPrivilege("REPLICATION SLAVE", err)
}

// suspicions is how many connections in a row may find nothing readable at the
// place where they resume before that is taken for another history.
const suspicions = 3

// judge decides what the end of a connection means. It returns err, made
// permanent where it must be, and whether Run must end.
func (r *Replica) judge(err error) (_ error, stop bool) {
	var denied *dial.DeniedError
	var untrusted *dial.UntrustedError
	if errors.As(err, &denied) || errors.As(err, &untrusted) {
		err = &StopError{Reason: StopAccess, Err: err}
	}
	if r.attempt.moved {
		r.suspected = 0
	}
	var e *StopError
	switch {
	case errors.As(err, &e) && e.Reason == StopAccess && r.isReady:
		return err, false // accounts and certificates are changed while servers run: as a replica does, try again
	case permanent(err):
		return err, true
	case classify(err) == suspect && r.attempt.resumed && !r.attempt.moved:
		if r.suspected++; r.suspected >= suspicions {
			return stopf(StopHistory, "the source has no event where what is held says that one begins, %d times in a row: %w", suspicions, err), true
		}
	}
	return err, false
}
