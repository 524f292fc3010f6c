package main

import (
	"cmp"
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/binlogproxy/binlogproxy/archive"
)

type archiveGaps struct {
	archiveFlags
	outputFlags
}

// listedGap is what gaps prints of one.
type listedGap struct {
	Timeline int    `json:"timeline"`
	File     string `json:"file"`
	Offset   int64  `json:"offset"`
	Next     string `json:"next"`
	Missing  string `json:"missing"`
	Before   string `json:"last_commit_before"`
	After    string `json:"first_commit_after"`
	Reason   string `json:"reason"`
	Detected string `json:"detected"`
}

// Run lists gaps in order. That there are some is its answer, and no failure.
func (c *archiveGaps) Run(ctx context.Context, s streams) error {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer a.Close()
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for i, gap := range a.Gaps() {
		g := listedGap{
			Timeline: gap.Timeline, File: gap.From.File, Offset: gap.From.Offset, Next: gap.Next, Missing: gap.Missing.String(),
			Reason: gap.Reason, Detected: timeText(gap.Detected),
		}
		g.Before, g.After = commitsAround(a.Files(), gap)
		if c.JSON {
			if err := printJSON(s.out, g); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "timeline\t%d\nbehind\t%s\ngoes on with\t%s\nmissing\t%s\nlast commit before\t%s\nfirst commit behind\t%s\nreason\t%s\ndetected\t%s\n",
			g.Timeline, gap.From, g.Next, cmp.Or(oneLine(g.Missing), "unknown: the source has no GTIDs"), cmp.Or(g.Before, "-"), cmp.Or(g.After, "-"), g.Reason, g.Detected)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return a.State().Stopped
}

// commitsAround gives the times of the commits before and behind a gap, "" where there
// are none, or not yet.
func commitsAround(files []archive.File, gap archive.Gap) (before, after string) {
	for _, f := range files {
		if f.Seq <= gap.Seq {
			before = cmp.Or(timeText(f.LastTime), before)
		} else if after == "" {
			after = timeText(f.FirstTime)
		}
	}
	return before, after
}
