package replica

import (
	"errors"
	"os"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// Reasons by which disconnects are counted.
const (
	ReasonUnreachable = "unreachable"  // no connection, or no answer to a statement
	ReasonDenied      = "denied"       // the account is refused or lacks a privilege
	ReasonUntrusted   = "untrusted"    // we refuse the server: its certificate, or a connection without TLS
	ReasonSilence     = "silence"      // not a byte for three heartbeat periods
	ReasonEOF         = "eof"          // the source ended the stream
	ReasonSourceError = "source_error" // the source answered with an error
	ReasonStream      = "stream"       // what it sent makes no sense
	ReasonNetwork     = "network"      // the connection broke
	ReasonSink        = "sink"         // what it sent could not be kept
)

// disconnectReason puts err under one of the reasons.
func disconnectReason(err error) string {
	var (
		unreachable *dial.UnreachableError
		denied      *dial.DeniedError
		untrusted   *dial.UntrustedError
		stream      *StreamError
		server      *wire.Error
		stop        *StopError
		sink        *sinkError
	)
	switch {
	case errors.As(err, &sink):
		return ReasonSink
	case errors.As(err, &untrusted):
		return ReasonUntrusted
	case errors.As(err, &denied), errors.As(err, &stop) && stop.Reason == StopAccess:
		return ReasonDenied
	case errors.As(err, &unreachable):
		return ReasonUnreachable
	case errors.As(err, &stream):
		return ReasonStream
	case errors.As(err, &server):
		return ReasonSourceError
	case errors.Is(err, errEndOfStream):
		return ReasonEOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonSilence
	}
	return ReasonNetwork
}
