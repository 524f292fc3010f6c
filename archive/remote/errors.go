package remote

import (
	"errors"
	"fmt"
	"io/fs"
)

// ObjectError is an object that is not what its reader is pinned to: it was
// replaced, deleted, has another size than it was said to have, or, twice, other
// bytes than its sum says. Reading again does not help: it is damage. Every other error of a File may pass.
type ObjectError struct {
	Key          string
	Expected     string // ETag; "" = whatever the first answer had, and there was none
	ExpectedSize int64
	Found        string // ETag; "" = there is no such object, or it is not known
	FoundSize    int64
	Err          error // what the store said; nil = it gave an object, which is the wrong one
}

func (e *ObjectError) Error() string {
	text := fmt.Sprintf("the object %s is damaged: expected %s, found %s", e.Key,
		describe(e.Expected, e.ExpectedSize, "any ETag"), describe(e.Found, e.FoundSize, "none"))
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

func describe(etag string, size int64, absent string) string {
	if etag == "" && size == 0 {
		return absent
	}
	if etag == "" {
		return fmt.Sprintf("%s and %d bytes", absent, size)
	}
	return fmt.Sprintf("ETag %s and %d bytes", etag, size)
}

func (e *ObjectError) Unwrap() error { return e.Err }

var (
	// errAbandoned ends a fetch that nobody waits for. A reader that meets it
	// nevertheless came too late to keep the fetch, and begins another one.
	errAbandoned = errors.New("nobody waits for this fetch")
	errForgotten = errors.New("the block is not believed any more")
	errStalled   = errors.New("no byte has come for too long")
)

// closedError is what comes of a call behind Close.
func closedError(what string) error { return fmt.Errorf("%s: %w", what, fs.ErrClosed) }
