package store

import (
	"errors"
	"fmt"
	"io"
)

// What callers branch on, with errors.Is. Every error of a store's method that is
// one of these is an *Error, which also names operation and key.
var (
	// ErrNotFound: there is no such object.
	ErrNotFound = errors.New("there is no such object")
	// ErrCondition: the object is not, or no longer, as the condition of the write
	// or the read demands. Of a write whose answer was lost and that a client has
	// repeated, it may be the work of that very write: see Swap.
	ErrCondition = errors.New("the object is not as the condition demands")
	// ErrRange: a read begins at the object's end or behind.
	ErrRange = errors.New("the range is not in the object")
	// ErrNoUpload: the upload was completed or aborted, or never was.
	ErrNoUpload = errors.New("there is no such upload")
	// ErrBadSum: the store refused bytes because of their sum, or what it has is not
	// what its sum says.
	ErrBadSum = errors.New("the bytes do not have the sum that belongs to them")
	// ErrDenied: the credentials are good and the rights do not suffice.
	ErrDenied = errors.New("access denied: give the account the rights that docs/bucket.md lists")
	// ErrCredentials: there are none, or the store does not know them (any more).
	ErrCredentials = errors.New("the credentials are missing, wrong or expired: renew them where the standard AWS chain finds them")
	// ErrNoBucket: the bucket or directory does not exist.
	ErrNoBucket = errors.New("there is no such bucket: create it, or correct its name")
	// ErrWrongRegion: the bucket is in another region.
	ErrWrongRegion = errors.New("the bucket is in another region: set region in its URL")
	// ErrClockSkew: the store refuses signatures because clocks differ.
	ErrClockSkew = errors.New("the clock of this machine differs too much from the store's: synchronise it")
	// ErrTemporary: network, overload, an error within the store. The outcome of a
	// write is open. Trying again may help.
	ErrTemporary = errors.New("the store cannot be reached or is overloaded")
	// ErrUncertain: a write may or may not have happened, or may still happen. Who
	// relies on its outcome reads the object again, later.
	ErrUncertain = errors.New("the outcome of the write is not known")
	// ErrIgnoresConditions: the store writes although a condition forbids it, so
	// that two writers would destroy each other's archive.
	ErrIgnoresConditions = errors.New("the store ignores conditions of writes (If-Match, If-None-Match): it cannot hold an archive")
)

// Error is a failed operation of a store.
type Error struct {
	Op    string // the method in lower case, as "put" or "complete upload"
	Key   string // or prefix, of a listing; "" where there is none
	Kind  error  // one of the variables above; nil = none of them
	Cause error  // what the store, the network or the system said; nil = nothing more
}

func (e *Error) Error() string {
	text := e.Op
	if e.Key != "" {
		text += " " + e.Key
	}
	if e.Kind != nil {
		text += ": " + e.Kind.Error()
	}
	if e.Cause != nil {
		text += fmt.Sprintf(" (%v)", e.Cause)
	}
	return text
}

// Unwrap lets errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	var list []error
	for _, err := range []error{e.Kind, e.Cause} {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

// Temporary says that trying again may help: the network, an overload, a body that
// ended early. Of a write, the outcome is open.
func Temporary(err error) bool {
	return errors.Is(err, ErrTemporary) || errors.Is(err, io.ErrUnexpectedEOF)
}
