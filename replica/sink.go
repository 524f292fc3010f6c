package replica

import (
	"context"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Sink keeps what a source sends. One goroutine at a time calls it; Failed may be
// called beside that.
//
// The calls of one connection are: Resume and End once; then, file after file,
// StartFile and the file's events by Append or AppendRun, in order. A connection that resumes
// within a file begins with its events, without StartFile; one that resumes at a
// file's first event begins with StartFile, also when that file is held. What is sent a second time the
// sink compares with what it holds; a difference is its *archive.HistoryError.
//
// An error of any call ends the connection. Another is tried unless the error, or
// one that it wraps, has a method Permanent() bool that returns true.
type Sink interface {
	// Resume discards what the last connection left unfinished and returns where
	// the source is to begin: an event's start at least 1 MiB before the end of
	// what is held and no later than reach.Farthest, or a file's first event; but
	// behind the event that begins the last transaction held that the source refuses,
	// even if that is the end of what is held, or later than reach.Farthest. Behind a
	// gap whose next file was not begun it is that file's first event. ok is false
	// while nothing is held.
	Resume(reach replication.Reach) (from replication.Position, ok bool, err error)

	// End is the position behind the last whole event held.
	End() (replication.Position, bool)

	// Successor is the file that follows End, where the last event held is a file's
	// own end and says so; "" otherwise.
	Successor() string

	// StartFile says that the next event is the FORMAT_DESCRIPTION of the file name.
	StartFile(name string) error

	// Append takes the next bytes of the current event. The first part holds the
	// header and, of an event cut in parts, at least replication.EventPrefix
	// bytes; last marks its end. The event's checksum was verified before the part
	// with last is handed over. The bytes are copied. Append blocks while the disk
	// cannot keep up, and returns an error when it failed.
	Append(part []byte, last bool) error

	// AppendRun takes whole events, one behind the other, as if by Append. Where it
	// returns an error, it may have taken some of them.
	AppendRun(events []byte) error

	// Flush says that the source has nothing more to send for now.
	Flush()

	// Failed waits until something that was taken cannot be kept, which the next call
	// would tell: the source may be silent. It returns that error, or nil when ctx ends.
	Failed(ctx context.Context) error

	// Gap records for good that the source has lost what follows End and that next
	// is the oldest file it still has; StartFile(next) follows. previous is the set
	// of GTIDs before next, empty where the source has none. Where next is gone too
	// before it was begun, Gap is called again with a later one.
	Gap(reason, next string, previous *replication.GTIDSet) error
}
