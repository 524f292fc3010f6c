package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Extract is what a binlog file is made of that holds some transactions of one that is
// held: the head of that file, and stretches of it, each of whole transactions.
type Extract struct {
	File File
	Head int64 // from the start: the magic number, FORMAT_DESCRIPTION and PREVIOUS_GTIDS
	Runs []Run // in order, behind Head; none where nothing is wanted of the file
}

// Run is the bytes of a file from From up to To.
type Run struct{ From, To int64 }

// Whole says that the extract is all that is held of the file.
func (e *Extract) Whole() bool {
	return len(e.Runs) == 1 && e.Runs[0] == Run{e.Head, e.File.Size}
}

// Range is a stretch of history. Its zero value is all that is held.
type Range struct {
	From, To         replication.Position // of whole transactions those that begin at From or later, and end at To or earlier; zero: no limit
	FromTime, ToTime time.Time            // from the first transaction that was committed at FromTime or later up to the first at ToTime or later; zero: no limit
	AcrossGaps       bool                 // else a gap within the range is a *GapError
}

// Extracts gives the files' parts that a range consists of; none if nothing lies in it.
func (a *Archive) Extracts(ctx context.Context, r Range) ([]Extract, error) {
	files := a.Files()
	if len(files) == 0 {
		return nil, nil
	}
	first, last := 0, len(files)-1
	from, to := replication.FirstEventOffset, files[last].Size
	at, err := a.edge(ctx, r.From, r.FromTime, func(f Found) replication.Position {
		if f.Position.Offset < r.From.Offset && r.FromTime.IsZero() { // within a transaction
			return replication.Position{File: f.File.Name, Offset: f.End}
		}
		return f.Position
	})
	if errors.Is(err, ErrNoTransaction) && !r.FromTime.IsZero() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if at.File != "" {
		first, from = fileNamed(files, at.File), at.Offset
	}
	if at, err = a.edge(ctx, r.To, r.ToTime, func(f Found) replication.Position { return f.Position }); err != nil && !errors.Is(err, ErrNoTransaction) {
		return nil, err
	}
	if at.File != "" {
		last, to = fileNamed(files, at.File), at.Offset
	}
	if !r.AcrossGaps {
		if err := a.gapWithin(files, first, last); err != nil {
			return nil, err
		}
	}
	var extracts []Extract
	for i := first; i <= last; i++ {
		run := Run{replication.FirstEventOffset, files[i].Size}
		if i == first {
			run.From = from
		}
		if i == last {
			run.To = to
		}
		e, err := a.extract(files[i])
		if err != nil {
			return nil, err
		}
		if run.From = max(run.From, e.Head); run.From < run.To || run.From == run.To && i > first && i < last {
			e.Runs = []Run{run}
			extracts = append(extracts, e)
		}
	}
	return extracts, nil
}

// edge gives the boundary where a range begins or ends; zero for no limit. Behind the last
// transaction of a file, that is the file's end.
func (a *Archive) edge(ctx context.Context, pos replication.Position, t time.Time, of func(Found) replication.Position) (replication.Position, error) {
	switch {
	case !t.IsZero():
		found, err := a.FindTime(ctx, t)
		if err != nil {
			return replication.Position{}, err
		}
		return found.Position, nil
	case pos.File == "":
		return pos, nil
	}
	found, err := a.FindPosition(ctx, pos)
	if errors.Is(err, ErrNoTransaction) {
		files := a.Files()
		return replication.Position{File: pos.File, Offset: files[fileNamed(files, pos.File)].Size}, nil
	}
	if err != nil {
		return replication.Position{}, err
	}
	return of(found), nil
}

// fileNamed is the place of the newest file of a name, which is there.
func fileNamed(files []File, name string) int {
	i := len(files) - 1
	for i > 0 && files[i].Name != name {
		i--
	}
	return i
}

// gapWithin gives the first gap between two files, as an error.
func (a *Archive) gapWithin(files []File, first, last int) error {
	for _, gap := range a.Gaps() {
		if first <= last && gap.Seq >= files[first].Seq && gap.Seq < files[last].Seq {
			return &GapError{Gap: gap}
		}
	}
	return nil
}

// ExtractGTIDs gives the parts of the files that hold the transactions of a set. All of
// them must be held: ErrNoTransaction names those that are not, and a *GapError one that
// lies in a gap, which acrossGaps leaves out.
func (a *Archive) ExtractGTIDs(ctx context.Context, set *replication.GTIDSet, acrossGaps bool) ([]Extract, error) {
	for _, gap := range a.Gaps() {
		if lost := gap.Missing.Intersect(set); !lost.IsEmpty() {
			if !acrossGaps {
				return nil, &GapError{Gap: gap}
			}
			set = set.Subtract(lost)
		}
	}
	if lacked := set.Subtract(a.Executed().Subtract(a.Purged())); !lacked.IsEmpty() {
		return nil, fmt.Errorf("%w: %s", ErrNoTransaction, lacked)
	}
	var extracts []Extract
	left := set.Clone()
	for _, f := range a.Files() {
		if left.IsEmpty() {
			break
		}
		if f.Manifest != nil && !intersects([]byte(f.Manifest.GTIDsAdded), left) {
			continue
		}
		e, err := a.extract(f)
		if err != nil {
			return nil, err
		}
		if e.Runs, err = a.runs(ctx, f, left); err != nil {
			return nil, err
		}
		if len(e.Runs) > 0 {
			extracts = append(extracts, e)
		}
	}
	return extracts, nil
}

// runs gives the stretches of a file's transactions that are in set, and takes them from it.
func (a *Archive) runs(ctx context.Context, f File, set *replication.GTIDSet) (runs []Run, err error) {
	file, err := a.openFile(f)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := &replication.GTIDSet{}
	w := newWalker(f, file, replication.FirstEventOffset, a.opts.ReadBuffer)
	err = w.walk(ctx, f.Size, func(tx *Transaction) bool {
		if tx.GTID.Number == 0 || !set.Contains(tx.GTID) {
			return true
		}
		found.Add(tx.GTID)
		if n := len(runs); n > 0 && runs[n-1].To == tx.Position.Offset {
			runs[n-1].To = tx.End
		} else {
			runs = append(runs, Run{tx.Position.Offset, tx.End})
		}
		return true
	})
	*set = *set.Subtract(found)
	return runs, a.explainWalk(f, file, w, err)
}

func (a *Archive) extract(f File) (Extract, error) {
	file, err := a.openFile(f)
	if err != nil {
		return Extract{}, err
	}
	defer file.Close()
	end, err := headEndOf(file)
	return Extract{File: f, Head: min(end, f.Size)}, err
}

// CopyExtract writes an extract behind the head of its file, each event verified. With
// the magic number that is a binlog file; without, it goes on where another one ends.
func (a *Archive) CopyExtract(ctx context.Context, w io.Writer, e Extract, magic bool) error {
	if magic {
		if _, err := w.Write(replication.FileMagic[:]); err != nil {
			return err
		}
	}
	for _, run := range slices.Insert(slices.Clone(e.Runs), 0, Run{replication.FirstEventOffset, e.Head}) {
		if err := a.copyRun(ctx, w, e.File.Name, run); err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) copyRun(ctx context.Context, w io.Writer, name string, run Run) error {
	r, err := a.OpenAt(replication.Position{File: name, Offset: run.From})
	if err != nil {
		return err
	}
	defer r.Close()
	for at := run.From; at < run.To; {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := r.Next()
		if err != nil {
			return err
		}
		n, err := w.Write(c.Data[:min(int64(len(c.Data)), run.To-at)])
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}
