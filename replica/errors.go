package replica

import (
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/replication"
)

// StopReason is why a source's receiver stopped for good.
type StopReason int

const (
	StopConfiguration StopReason = iota + 1 // something said of the source or of us is wrong
	StopAccess                              // the account is refused or lacks a privilege, or we refuse the server's certificate
	StopGap                                 // files are gone at the source, and gaps are not allowed
	StopHistory                             // the source's files are not those that are held
)

var stopReasons = map[StopReason]string{
	StopConfiguration: "configuration",
	StopAccess:        "access",
	StopGap:           "gap",
	StopHistory:       "another history",
}

func (r StopReason) String() string {
	if text, ok := stopReasons[r]; ok {
		return text
	}
	return fmt.Sprintf("StopReason(%d)", int(r))
}

// StopError ends a Replica: trying again changes nothing until a person acts.
type StopError struct {
	Reason StopReason
	Err    error
}

func (e *StopError) Error() string   { return e.Err.Error() }
func (e *StopError) Unwrap() error   { return e.Err }
func (e *StopError) Permanent() bool { return true }

func stopf(reason StopReason, format string, args ...any) error {
	return &StopError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// StreamError reports bytes from the source that make no sense where they came.
// It ends the connection, never the Replica.
type StreamError struct {
	Position replication.Position // behind the last whole event
	Err      error
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("stream behind %s: %v", e.Position, e.Err)
}
func (e *StreamError) Unwrap() error { return e.Err }

// permanent reports whether err says of itself that another try is no use.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// sinkError is an error of the sink, which says itself whether it is permanent.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }
