package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// rangeFlags choose transactions.
type rangeFlags struct {
	GTIDs        string       `name:"gtid" help:"The transactions of this set." placeholder:"SET"`
	FromTime     timeFlag     `help:"From the first transaction committed then or later." placeholder:"TIME"`
	ToTime       timeFlag     `help:"Up to that." placeholder:"TIME"`
	FromPosition positionFlag `help:"From the first transaction that begins there or later." placeholder:"FILE:OFFSET"`
	ToPosition   positionFlag `help:"To the last transaction that ends there or earlier." placeholder:"FILE:OFFSET"`
	AllowGap     bool         `help:"Leave out what is missing, instead of refusing a range with a gap in it."`
}

// extracts gives what the flags choose, or none of them given, whole files.
func (r *rangeFlags) extracts(ctx context.Context, a *archive.Archive) ([]archive.Extract, error) {
	extracts, err := r.choose(ctx, a)
	if err == nil && len(extracts) == 0 {
		err = fmt.Errorf("%w: nothing lies in that range", archive.ErrNoTransaction)
	}
	var gap *archive.GapError
	if errors.As(err, &gap) {
		err = &codedError{exitGap, fmt.Errorf("%w; missing are %q; --allow-gap leaves them out", err, oneLine(gap.Gap.Missing.String()))}
	}
	return extracts, wrongPlace(err)
}

func (r *rangeFlags) choose(ctx context.Context, a *archive.Archive) ([]archive.Extract, error) {
	if r.GTIDs != "" {
		set, err := replication.ParseGTIDSet(r.GTIDs)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--gtid: %w", err)}
		}
		return a.ExtractGTIDs(ctx, set, r.AllowGap)
	}
	return a.Extracts(ctx, archive.Range{
		From: r.FromPosition.Position, To: r.ToPosition.Position, FromTime: r.FromTime.Time, ToTime: r.ToTime.Time, AcrossGaps: r.AllowGap,
	})
}

// check refuses flags that contradict each other. It says whether there are any.
func (r *rangeFlags) check(files int) (set bool, err error) {
	from, to := r.FromPosition.File != "", r.ToPosition.File != ""
	fromTime, toTime := !r.FromTime.IsZero(), !r.ToTime.IsZero()
	limits := from || to || fromTime || toTime
	switch set = limits || r.GTIDs != ""; {
	case files > 0 && set:
		err = errors.New("give file names or a range, not both")
	case files == 0 && !set:
		err = errors.New("give file names, or a range: --gtid, or one or two of --from-time, --to-time, --from-position, --to-position")
	case limits && r.GTIDs != "":
		err = errors.New("--gtid goes with no other limit")
	case from && fromTime, to && toTime:
		err = errors.New("a range begins and ends once: at a time or at a position")
	}
	if err != nil {
		return set, &usageError{err}
	}
	return set, nil
}

type archiveGet struct {
	archiveFlags
	outputFlags
	rangeFlags
	Output string   `help:"Directory to write to." type:"path" default:"." placeholder:"DIR"`
	Files  []string `arg:"" optional:"" name:"files" help:"Names of files to copy whole." placeholder:"FILE"`
}

// writtenFile is what get prints of each file that it has written.
type writtenFile struct {
	Path  string `json:"path"`
	File  string `json:"file"`
	Size  int64  `json:"size"`
	Whole bool   `json:"whole"` // byte-identical with the file in the archive
}

// Run writes the files one after the other: each is complete and on the disk, or not
// there.
func (c *archiveGet) Run(ctx context.Context, s streams) error {
	ranged, err := c.check(len(c.Files))
	if err != nil {
		return err
	}
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer a.Close()
	if !ranged {
		for _, name := range c.Files {
			f, err := fileNamed(a.Files(), name)
			if err != nil {
				return err
			}
			copied := func(w io.Writer) error { return a.CopyFile(ctx, w, f) }
			if err := c.write(s, writtenFile{File: name, Whole: true}, name, copied); err != nil {
				return err
			}
		}
		return nil
	}
	extracts, err := c.extracts(ctx, a.Archive)
	if err != nil {
		return err
	}
	for _, e := range extracts {
		name, whole := extractName(e)
		copied := func(w io.Writer) error { return a.CopyExtract(ctx, w, e, true) }
		if whole {
			copied = func(w io.Writer) error { return a.CopyFile(ctx, w, e.File) }
		}
		if err := c.write(s, writtenFile{File: e.File.Name, Whole: whole}, name, copied); err != nil {
			return err
		}
	}
	return nil
}

// extractName is the file's own name for all of it, else with the offsets between which
// its transactions are.
func extractName(e archive.Extract) (name string, whole bool) {
	if e.Whole() && e.File.Cut == nil {
		return e.File.Name, true
	}
	from, to := e.Head, e.Head
	if n := len(e.Runs); n > 0 {
		from, to = e.Runs[0].From, e.Runs[n-1].To
	}
	return fmt.Sprintf("%s.%d-%d", e.File.Name, from, to), false
}

func (c *archiveGet) write(s streams, f writtenFile, name string, content func(io.Writer) error) (err error) {
	f.Path = filepath.Join(c.Output, name)
	if f.Size, err = writeNew(f.Path, content); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, f)
	}
	_, err = fmt.Fprintf(s.out, "%s\t%d bytes\n", f.Path, f.Size)
	return err
}

// writeNew makes a file that was not there, durably: all of it, or nothing.
func writeNew(path string, content func(io.Writer) error) (size int64, err error) {
	dir := filepath.Dir(path)
	if _, err := os.Lstat(path); err == nil {
		return 0, fmt.Errorf("%s: %w", path, os.ErrExist)
	}
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return 0, err
	}
	size, err = fill(tmp, content)
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(tmp.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	return size, errors.Join(d.Sync(), d.Close())
}

// fill writes a file to its end, durably, and closes it.
func fill(f *os.File, content func(io.Writer) error) (size int64, err error) {
	buffered := bufio.NewWriterSize(f, 1<<20)
	err = content(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		size, err = f.Seek(0, io.SeekEnd)
	}
	return size, errors.Join(err, f.Sync(), f.Close())
}

type archiveCat struct {
	archiveFlags
	rangeFlags
	File string `arg:"" optional:"" help:"Name of a file to copy whole." placeholder:"FILE"`
}

// Run writes one binlog file to standard output. In a range of several each goes on where
// the one before ends, with its own FORMAT_DESCRIPTION.
func (c *archiveCat) Run(ctx context.Context, s streams) error {
	n := 0
	if c.File != "" {
		n = 1
	}
	ranged, err := c.check(n)
	if err != nil {
		return err
	}
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer a.Close()
	out := bufio.NewWriterSize(s.out, 1<<20)
	if !ranged {
		f, err := fileNamed(a.Files(), c.File)
		if err != nil {
			return err
		}
		return errors.Join(a.CopyFile(ctx, out, f), out.Flush())
	}
	extracts, err := c.extracts(ctx, a.Archive)
	if err != nil {
		return err
	}
	for i, e := range extracts {
		if err := a.CopyExtract(ctx, out, e, i == 0); err != nil {
			return errors.Join(err, out.Flush())
		}
	}
	return out.Flush()
}
