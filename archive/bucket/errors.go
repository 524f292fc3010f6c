package bucket

import (
	"errors"
	"fmt"
	"time"
)

// ErrFenced says that another writer has taken over. Whoever gets it stops writing: what
// it writes does not count any more.
var ErrFenced = errors.New("another process has taken over as the writer of this source's part of the bucket: stop one of the two")

// ErrAgain says that what a take-over was based on has changed since: take over again.
var ErrAgain = errors.New("somebody else wrote to this source's part of the bucket meanwhile: take over again")

// HeldError says that the source has a writer already.
type HeldError struct {
	Bucket  string
	Name    string    // who it is, for people
	Epoch   uint64    // of its reign
	Began   time.Time // by its own clock, as Renewed
	Renewed time.Time
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s already has a writer: %s, since %s, last seen alive %s by its own clock. Stop that one first; if it is gone, wait until its lease has expired",
		e.Bucket, e.Name, e.Began.UTC().Format(time.RFC3339), e.Renewed.UTC().Format(time.RFC3339))
}

// DamageError says that an object is not what it must be.
type DamageError struct {
	Key      string
	Expected string
	Found    string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged object %s: expected %s, found %s; nothing was changed", e.Key, e.Expected, e.Found)
}

// Permanent says that trying again cannot help.
func (e *DamageError) Permanent() bool { return true }

// HistoryError says that the bucket holds other bytes under the name of what was to be
// written. What it holds was not changed.
type HistoryError struct {
	Key   string
	Held  string // size and CRC32C of what the bucket holds
	Found string // of what was to be written
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("another history: the bucket holds %s with %s, here it has %s; the bucket is unchanged, give this history a prefix of its own", e.Key, e.Held, e.Found)
}

// Permanent says that trying again cannot help.
func (e *HistoryError) Permanent() bool { return true }

func sizeAndSum(size int64, sum uint32) string {
	return fmt.Sprintf("%d bytes of CRC32C %08x", size, sum)
}
