package main

import (
	"errors"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replica"
)

// Exit codes. They are documented in docs/operations.md and never change meaning.
const (
	exitOK          = 0
	exitFailure     = 1   // anything without a code of its own
	exitUsage       = 2   // command line, configuration, or a source set up so that it cannot be followed
	exitDamage      = 3   // what is held does not verify
	exitGap         = 4   // the source has purged what is missing here
	exitFenced      = 5   // another process writes this archive
	exitUnreachable = 7   // the source refuses the login or a privilege; no daemon answers
	exitHistory     = 9   // another history under the same name
	exitSignal      = 128 // plus the number of the signal that cut a command short: 130, 143
)

// usageError is a mistake of the operator that is found before anything starts.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// codedError has an exit code of its own.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// exitCode is the code with which a process or a source that ended with err leaves.
func exitCode(err error) int {
	var (
		usage    *usageError
		damage   *archive.DamageError
		locked   *archive.LockedError
		identity *archive.IdentityError
		history  *archive.HistoryError
		stopped  *replica.StopError
		held     *bucket.HeldError
		broken   *bucket.DamageError
		behind   *archive.BehindError
		other    *bucket.HistoryError
		coded    *codedError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &damage), errors.As(err, &broken):
		return exitDamage
	case errors.As(err, &locked), errors.As(err, &held), errors.Is(err, bucket.ErrFenced):
		return exitFenced
	case errors.As(err, &identity), errors.As(err, &history), errors.As(err, &behind), errors.As(err, &other):
		return exitHistory
	case bucketCannotBeUsed(err):
		return exitUsage
	case errors.As(err, &stopped):
		return stopCodes[stopped.Reason]
	}
	return exitFailure
}

// bucketCannotBeUsed says that the bucket's configuration, rights or promises are not
// what they must be.
func bucketCannotBeUsed(err error) bool {
	for _, kind := range []error{store.ErrNoBucket, store.ErrDenied, store.ErrCredentials, store.ErrWrongRegion, store.ErrClockSkew, store.ErrIgnoresConditions} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// stopCodes are the exit codes of a receiver that stopped for good.
var stopCodes = map[replica.StopReason]int{
	replica.StopConfiguration: exitUsage,
	replica.StopAccess:        exitUnreachable,
	replica.StopGap:           exitGap,
	replica.StopHistory:       exitHistory,
}
