package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// archiveCommand looks at what is held of one source, also beside a running daemon. It
// never changes it.
type archiveCommand struct {
	Ls     archiveLs     `cmd:"" help:"List the files that are held."`
	Stat   archiveStat   `cmd:"" help:"Show all that is known of a file."`
	Gaps   archiveGaps   `cmd:"" help:"List what the source had purged before it was received."`
	Find   archiveFind   `cmd:"" help:"Find a transaction by GTID, time or position."`
	Get    archiveGet    `cmd:"" help:"Write files, or a range of transactions, as files that mysqlbinlog reads."`
	Cat    archiveCat    `cmd:"" help:"Write a file, or a range of transactions, to standard output, for mysqlbinlog -."`
	Verify archiveVerify `cmd:"" help:"Read all that is held, and name what is not as it must be; exits with 3 then."`
}

// outputFlags say how a command answers.
type outputFlags struct {
	JSON bool `name:"json" help:"Print JSON, one document a line."`
}

// fileNamed finds a file; among some of the same name the newest.
func fileNamed(files []archive.File, name string) (archive.File, error) {
	for _, f := range slices.Backward(files) {
		if f.Name == name {
			return f, nil
		}
	}
	return archive.File{}, &usageError{fmt.Errorf("%w: %q", archive.ErrNoSuchFile, name)}
}

// wrongPlace makes a place on the command line that is not in the archive a mistake of
// the operator.
func wrongPlace(err error) error {
	for _, mistake := range []error{archive.ErrNoSuchFile, archive.ErrPositionTooSmall, archive.ErrPositionTooLarge} {
		if errors.Is(err, mistake) {
			return &usageError{err}
		}
	}
	return err
}

// timeFlag is a time on the command line: RFC 3339, or without a zone in UTC.
type timeFlag struct{ time.Time }

// UnmarshalText reads the flag.
func (t *timeFlag) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", time.DateOnly} {
		if at, err := time.Parse(layout, string(text)); err == nil {
			t.Time = at
			return nil
		}
	}
	return fmt.Errorf("%q is not a time: expected one as 2026-11-30T22:00:00Z, or as \"2026-11-30 22:00:00\" in UTC", text)
}

// positionFlag is a position on the command line.
type positionFlag struct{ replication.Position }

// UnmarshalText reads the flag.
func (p *positionFlag) UnmarshalText(text []byte) (err error) {
	p.Position, err = replication.ParsePosition(string(text))
	return err
}

// timeText prints a time; "" for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func printJSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(document)
}
