package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

type archiveFind struct {
	archiveFlags
	outputFlags
	GTID     string       `name:"gtid" xor:"what" required:"" help:"The transaction with this GTID." placeholder:"GTID"`
	Time     timeFlag     `xor:"what" required:"" help:"The first transaction committed then or later." placeholder:"TIME"`
	Position positionFlag `xor:"what" required:"" help:"The transaction there, or the next one in that file." placeholder:"FILE:OFFSET"`
}

// foundTransaction is what find prints.
type foundTransaction struct {
	Timeline string  `json:"timeline"`
	File     string  `json:"file"`
	Offset   int64   `json:"offset"` // of its first event
	End      int64   `json:"end"`    // behind its last one
	GTID     string  `json:"gtid"`   // "" where it has none
	Time     string  `json:"time"`   // of its commit
	Before   *string `json:"gtids_before"`
}

// Run prints the transaction's place.
func (c *archiveFind) Run(ctx context.Context, s streams) error {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer a.Close()
	found, err := c.find(ctx, a.Archive)
	if err != nil {
		return wrongPlace(err)
	}
	t := foundTransaction{
		Timeline: a.State().Timeline, File: found.Position.File, Offset: found.Position.Offset, End: found.End, Time: timeText(found.Time),
	}
	if found.GTID.Number > 0 {
		t.GTID = found.GTID.String()
	}
	if found.Before != nil {
		before := found.Before.String()
		t.Before = &before
	}
	if c.JSON {
		return printJSON(s.out, t)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "timeline\t%s\nposition\t%s\nend\t%d\n", t.Timeline, found.Position, t.End)
	if t.GTID != "" {
		fmt.Fprintf(w, "gtid\t%s\n", t.GTID)
	}
	fmt.Fprintf(w, "committed\t%s\n", t.Time)
	if t.Before != nil {
		fmt.Fprintf(w, "gtids before\t%s\n", oneLine(*t.Before))
	}
	return w.Flush()
}

func (c *archiveFind) find(ctx context.Context, a *archive.Archive) (archive.Found, error) {
	switch {
	case c.GTID != "":
		gtid, err := replication.ParseGTID(c.GTID)
		if err != nil {
			return archive.Found{}, &usageError{fmt.Errorf("--gtid: %w", err)}
		}
		return a.FindGTID(ctx, gtid)
	case !c.Time.IsZero():
		return a.FindTime(ctx, c.Time.Time)
	case c.Position.File != "":
		return a.FindPosition(ctx, c.Position.Position)
	}
	return archive.Found{}, &usageError{errors.New("give one of --gtid, --time, --position")}
}
