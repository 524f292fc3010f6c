package archive

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// fetchEnd fetches the end of the open file, from a boundary on, and what the file's
// first events say. It gives nil where all of the file is to be fetched at once: it is
// small, or carries no checksums, so that its events alone prove nothing.
func (l *Log) fetchEnd(ctx context.Context, p *plan, f *fetchedFile) (*head, error) {
	start, err := l.fetchFrom(ctx, p.timeline, f)
	if err != nil || start == 0 {
		return nil, err
	}
	objects, err := openObjects(l.opts.Remote, f.objects())
	if err != nil {
		return nil, err
	}
	defer objects.Close()
	stop := context.AfterFunc(ctx, func() { objects.Close() })
	defer stop()
	of := newOpenFile(f.begin.Seq, f.begin.Name, l.opts.IndexEvery)
	end, err := headEndOf(objects)
	if err != nil {
		return nil, err
	}
	if err := l.newScanner(of, objects).run(ctx.Err, end); err != nil {
		return nil, l.remoteDamage(f, of, err)
	}
	if of.end.offset >= start || of.end.tracker.Checksum() == replication.ChecksumNone {
		return nil, nil
	}
	before, err := l.gtidsBefore(ctx, f, of, objects, start)
	if err != nil {
		return nil, err
	}
	h := &head{start: start, account: of.at(start), files: l.opts.Remote}
	h.account.added = before
	list := f.objects()
	h.objects.Store(&list)
	if err := l.storeEnd(ctx, p, f, h); err != nil {
		return nil, err
	}
	l.restored.head, l.restored.plan, l.restored.file = h, p, f
	return h, nil
}

// headEndOf is headEnd where reading may fail.
func headEndOf(file io.ReaderAt) (int64, error) {
	var failed error
	end := headEnd(readerFunc(func(p []byte, off int64) (int, error) {
		n, err := file.ReadAt(p, off)
		if err != nil && err != io.EOF {
			failed = err
		}
		return n, err
	}))
	return end, failed
}

type readerFunc func(p []byte, off int64) (int, error)

func (f readerFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// at gives the account of a file at a boundary, of which only the first events were read.
func (of *openFile) at(start int64) *openFile {
	c := of.clone()
	c.end.offset, c.end.boundary, c.end.block, c.end.blockTimes = start, start, start, timeSpan{}
	c.end.begun = [len(c.end.begun)]int64{}
	c.sum, c.ahead, c.written = sums{}, sums{}, start
	c.starts, c.index = []int64{start}, nil
	return c
}

// remoteDamage is what a scanner of the bucket's bytes means.
func (a *Archive) remoteDamage(f *fetchedFile, of *openFile, err error) error {
	var away *RemoteError
	if errors.As(err, &away) || permanent(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &DamageError{File: f.objectAt(of.end.offset), Offset: of.end.offset, Expected: "a whole event", Found: err.Error()}
}

// gtidsBefore gives the GTIDs of the transactions that end before start.
func (a *Archive) gtidsBefore(ctx context.Context, f *fetchedFile, of *openFile, objects *objectsHandle, start int64) (*replication.GTIDSet, error) {
	if f.manifest != nil {
		return replication.ParseGTIDSet(f.manifest.GTIDsAdded) // all of them: what is at the end too
	}
	all, last := &replication.GTIDSet{}, of.end.offset
	for _, p := range f.parts {
		if p.from >= start {
			break
		}
		boundary := min(p.piece.Boundary, p.to)
		set, err := replication.ParseGTIDSet(p.piece.GTIDs)
		if err != nil || !p.piece.HasGTIDs || p.to < p.piece.End {
			// Not all of them are in the piece's facts, or more than count.
			account := of.at(last)
			account.added = &replication.GTIDSet{}
			if err := a.newScanner(account, objects).run(ctx.Err, max(last, boundary)); err != nil {
				return nil, a.remoteDamage(f, account, err)
			}
			set = account.added
		}
		all.AddSet(set)
		last = max(last, boundary)
	}
	return all, nil
}

// storeEnd makes the file with what stands behind the head.
func (l *Log) storeEnd(ctx context.Context, p *plan, f *fetchedFile, h *head) error {
	of := h.begin()
	if err := l.createEnd(ctx, p.timeline, f, of); err != nil {
		of.close()
		return err
	}
	s := l.newScanner(of, of.data)
	if err := s.run(ctx.Err, f.end); err != nil {
		of.close()
		return l.fetchedDamage(f, s.damage(l.filePath(of.name), err))
	}
	l.cur = of
	return nil
}

func (l *Log) createEnd(ctx context.Context, t catalog.Timeline, f *fetchedFile, of *openFile) error {
	fresh := newOpenFile(of.seq, of.name, of.every)
	err := l.createPair(fresh)
	of.data, of.idx, of.idxSize = fresh.data, fresh.idx, fresh.idxSize
	if err != nil {
		return err
	}
	if _, err := l.copyFile(ctx, t, f, of.end.offset, f.end, of.data); err != nil {
		return err
	}
	return l.sync(of.data, l.filePath(of.name))
}

// restored is what a restore leaves to recovery and to what runs beside it.
type restored struct {
	marker  *restoring  // what RESTORING says; nil where there is none
	damage  error       // in the bucket, which leaves nothing to go on from
	pending atomic.Bool // nothing was received since, and the bucket may have more: see FromBucket

	// Of an open file whose beginning is still to be fetched.
	head *head
	plan *plan
	file *fetchedFile
}
