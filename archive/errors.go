package archive

import (
	"encoding/hex"
	"errors"
	"fmt"
	"syscall"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

var (
	// ErrClosed answers calls after Close.
	ErrClosed = errors.New("the log is closed")
	// ErrLocked is what FS.Lock reports when another holder has the lock.
	ErrLocked = errors.New("locked by another process")
	// ErrTail says that a reader has reached the published mark: wait on Log.Changed.
	ErrTail = errors.New("end of what is published")
	// ErrNoSuchFile says that no file of that name, or for that GTID set, is held.
	ErrNoSuchFile = errors.New("no such binlog file in the archive")
	// ErrNotLocal says that a file is in the bucket only, and nothing is read from there.
	ErrNotLocal = errors.New("the binlog file is in the bucket only")
	// ErrNoTransaction says that no transaction is held that a search asks for.
	ErrNoTransaction = errors.New("no such transaction in the archive")
	// ErrPositionTooSmall says that a position lies within the file's magic number.
	ErrPositionTooSmall = errors.New("position before the first event")
	// ErrPositionTooLarge says that a position lies beyond what is held and published.
	ErrPositionTooLarge = errors.New("position beyond the end of the file")
)

// LockedError says that another process writes to the directory.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is in use by another process (its LOCK is held): each source directory has one writer", e.Dir)
}

// FormatError says that a file was written by a later version.
type FormatError = catalog.VersionError

// DamageError names bytes that were durable and do not verify any more. Nothing
// is deleted; writing stops, and what stands before it is still served.
type DamageError struct {
	File     string // path, or key of an object in the bucket
	Offset   int64
	Expected string
	Found    string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damage in %s at offset %d: expected %s, found %s; restore the file from a copy, or move the directory away and fetch it again", e.File, e.Offset, e.Expected, e.Found)
}

// Permanent says that trying again cannot help.
func (e *DamageError) Permanent() bool { return true }

// HistoryError says that the source now has other bytes where we hold some: a
// RESET, a restore, a lost tail or another server. Nothing held was changed.
type HistoryError struct {
	File     string
	Offset   int64  // of the first different byte
	Expected []byte // what we hold from there, an excerpt
	Found    []byte // what the source sent
	Reason   string // what is different, in words
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("the source has another history: %s at offset %d: %s (held %s, sent %s); the archive is unchanged, give the new history a directory of its own",
		e.File, e.Offset, e.Reason, excerpt(e.Expected), excerpt(e.Found))
}

// Permanent says that trying again cannot help.
func (e *HistoryError) Permanent() bool { return true }

const excerptSize = 16

func excerpt(b []byte) string {
	if len(b) == 0 {
		return "nothing"
	}
	return hex.EncodeToString(b[:min(len(b), excerptSize)])
}

// IdentityError says that the source is not the server whose history is held.
type IdentityError struct{ Held, Found Identity }

func (e *IdentityError) Error() string {
	return fmt.Sprintf("the directory holds the history of %s, the source is %s: give it a name and a directory of its own, and in a bucket that name or a prefix", e.Held, e.Found)
}

// Permanent says that trying again cannot help.
func (e *IdentityError) Permanent() bool { return true }

// DiskError says that an operation on the disk failed. Unless it is permanent,
// the next Resume cuts back to what is known to be durable and goes on.
type DiskError struct {
	Op    string
	File  string
	Err   error
	final bool
}

func (e *DiskError) Error() string {
	if e.final {
		return fmt.Sprintf("%s %s failed again after a failed fsync: %v; the disk cannot be trusted", e.Op, e.File, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.File, e.Err)
}

func (e *DiskError) Unwrap() error { return e.Err }

// failedSync says that an fsync has failed, and not for want of space.
func (e *DiskError) failedSync() bool {
	var failed *syncError
	return errors.As(e.Err, &failed) && !e.Full()
}

// Permanent says that trying again cannot help: a second failed fsync in a row.
func (e *DiskError) Permanent() bool { return e.final }

// Full says that the disk, a quota or our own limit is exhausted.
func (e *DiskError) Full() bool {
	return errors.Is(e.Err, errLimit) || errors.Is(e.Err, syscall.ENOSPC) || errors.Is(e.Err, syscall.EDQUOT)
}

// GapError meets a reader at the end of a cut file: what follows is lost for good.
type GapError struct{ Gap Gap }

func (e *GapError) Error() string {
	return fmt.Sprintf("the history has a gap behind %s: %s; it goes on with %s", e.Gap.From, e.Gap.Reason, e.Gap.Next)
}

// PositionError says that no event can be read where a reader stands: its start
// was not an event's, or the event would end beyond its file.
type PositionError struct {
	Position replication.Position
	Size     int64 // of the event as its header claims, possible or not; 0 where the file ends within the header
	Limit    int64 // where the file ends
}

func (e *PositionError) Error() string {
	if e.Size < replication.HeaderSize || e.Size > replication.MaxEventSize {
		return fmt.Sprintf("no event begins at %s", e.Position)
	}
	return fmt.Sprintf("the event at %s claims %d bytes, the file ends at %d", e.Position, e.Size, e.Limit)
}

// StreamError says that what the source sent cannot be the next part of a binlog.
type StreamError struct {
	Position replication.Position
	Reason   string
	Err      error
	final    bool
}

// Permanent says that the source would send the same again.
func (e *StreamError) Permanent() bool { return e.final }

func (e *StreamError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("event at %s: %v", e.Position, e.Err)
	}
	return fmt.Sprintf("event at %s: %s", e.Position, e.Reason)
}

func (e *StreamError) Unwrap() error { return e.Err }

func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

func isFull(err error) bool {
	var d *DiskError
	return errors.As(err, &d) && d.Full()
}
