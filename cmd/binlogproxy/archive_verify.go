package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
)

type archiveVerify struct {
	archiveFlags
	outputFlags
	Since timeFlag `help:"Read only files with transactions committed then or later; the documents are checked all the same." placeholder:"TIME"`
	Files []string `help:"Read only these files." sep:"," placeholder:"FILE,..."`
}

// What verify prints with --json, one a line.
type (
	verifyFinding struct {
		Type string `json:"type"` // finding
		archive.Finding
	}
	verifyLeftover struct {
		Type string `json:"type"` // leftover
		archive.Leftover
	}
	verifyProgress struct {
		Type     string `json:"type"` // progress
		Object   string `json:"object"`
		Bytes    int64  `json:"bytes"`
		BytesAll int64  `json:"bytes_all"`
	}
	verifyResult struct {
		Type      string `json:"type"` // result
		Files     int    `json:"files"`
		Elsewhere int    `json:"elsewhere"`
		Bytes     int64  `json:"bytes"`
		Findings  int    `json:"findings"`
		Leftovers int    `json:"leftovers"`
	}
)

// Run reads what is held, and ends with exitDamage when something is not as it must be.
func (c *archiveVerify) Run(ctx context.Context, s streams) error {
	p, err := c.place(s)
	if err != nil {
		return err
	}
	show := c.progress(s)
	unseen := slices.Clone(c.Files)
	first := ""
	done, err := c.check(ctx, p, archive.CheckOptions{
		Want: func(f archive.File) bool {
			unseen = slices.DeleteFunc(unseen, func(name string) bool { return name == f.Name })
			return c.wants(f)
		},
		Report: func(f archive.Finding) {
			if first == "" {
				first = fmt.Sprintf("%s at offset %d", f.Object, f.Offset)
			}
			c.say(s, show, verifyFinding{"finding", f}, fmt.Sprintf("%s at offset %d: expected %s, found %s", f.Object, f.Offset, f.Expected, f.Found))
		},
		Leftover: func(l archive.Leftover) {
			c.say(s, show, verifyLeftover{"leftover", l}, fmt.Sprintf("%s, %d bytes, does not count: %s", l.Object, l.Bytes, l.Reason))
		},
		Progress: show.update,
	})
	show.clear()
	if err != nil {
		return err
	}
	if len(unseen) > 0 {
		return &usageError{fmt.Errorf("%w: %q", archive.ErrNoSuchFile, unseen)}
	}
	if p.dir != "" {
		c.keep(s, p.dir, Verification{Ended: time.Now().UTC(), Files: done.Files - done.Elsewhere, Damages: done.Findings, First: first})
	}
	switch {
	case c.JSON:
		err = printJSON(s.out, verifyResult{"result", done.Files, done.Elsewhere, done.Bytes, done.Findings, done.Leftovers})
	case p.dir == "":
		_, err = fmt.Fprintf(s.out, "%d files, %d bytes read; %d objects do not count; %d findings\n", done.Files, done.Bytes, done.Leftovers, done.Findings)
	default:
		_, err = fmt.Fprintf(s.out, "%d files, %d bytes read; %d files are only in the bucket; %d findings\n", done.Files-done.Elsewhere, done.Bytes, done.Elsewhere, done.Findings)
	}
	if err == nil && done.Findings > 0 {
		err = &codedError{exitDamage, fmt.Errorf("%d places in %s are not as they must be", done.Findings, p)}
	}
	return err
}

// check reads the directory, or where none is looked at the bucket.
func (c *archiveVerify) check(ctx context.Context, p archivePlace, check archive.CheckOptions) (done archive.CheckProgress, err error) {
	if p.dir != "" {
		return archive.Check(ctx, archive.Options{Dir: p.dir}, check)
	}
	r, err := openBucketReader(p.url)
	if err != nil {
		return done, err
	}
	defer r.Close()
	var opts archive.Options
	r.options(&opts, p.source)
	done, err = archive.CheckBucket(ctx, opts, check)
	if err == nil && done == (archive.CheckProgress{}) {
		err = &usageError{fmt.Errorf("the bucket has nothing of %s", p)}
	}
	return done, err
}

// say prints one line.
func (c *archiveVerify) say(s streams, show *progress, document any, text string) {
	if c.JSON {
		printJSON(s.out, document)
		return
	}
	show.clear()
	fmt.Fprintln(s.out, text)
}

// keep leaves the outcome for the daemon, unless only a part was read.
func (c *archiveVerify) keep(s streams, dir string, v Verification) {
	if len(c.Files) > 0 || !c.Since.IsZero() {
		return
	}
	if err := keepVerification(dir, v); err != nil {
		fmt.Fprintln(s.err, "binlogproxy: the outcome will not be in the daemon's status and metrics:", err)
	}
}

// wants says whether a file is to be read. The open one has no last time yet.
func (c *archiveVerify) wants(f archive.File) bool {
	if len(c.Files) > 0 && !slices.Contains(c.Files, f.Name) {
		return false
	}
	return c.Since.IsZero() || f.LastTime.IsZero() || !f.LastTime.Before(c.Since.Time)
}

// progress shows now and then how far a check has come: to people at a terminal, else
// with --json to programs.
type progress struct {
	out     io.Writer
	json    bool
	every   time.Duration // 0: never
	started time.Time
	last    time.Time
	shown   bool
}

func (c *archiveVerify) progress(s streams) *progress {
	p := &progress{started: time.Now()}
	p.last = p.started
	switch {
	case c.JSON:
		p.out, p.json, p.every = s.out, true, 10*time.Second
	case isTerminal(s.err):
		p.out, p.every = s.err, time.Second
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) update(c archive.CheckProgress) {
	now := time.Now()
	if p.every == 0 || now.Sub(p.last) < p.every {
		return
	}
	p.last, p.shown = now, true
	if p.json {
		printJSON(p.out, verifyProgress{"progress", c.Object, c.Bytes, c.BytesAll})
		return
	}
	rate := float64(c.Bytes) / now.Sub(p.started).Seconds()
	rest := time.Duration(float64(c.BytesAll-c.Bytes) / rate * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(p.out, "\r\033[K%d of %d MiB, %.0f MiB/s, %s left, %d findings", c.Bytes>>20, c.BytesAll>>20, rate/(1<<20), rest, c.Findings)
}

// clear takes the line of the progress away.
func (p *progress) clear() {
	if p.shown && !p.json {
		fmt.Fprint(p.out, "\r\033[K")
		p.shown = false
	}
}
