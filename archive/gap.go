package archive

import (
	"fmt"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Gap records for good that the source has lost what follows End; see replica.Sink.
// When it returns, that is durable, and readers that reach the end of the cut file
// get a *GapError. Where nothing is held there is nothing to cut: it does nothing.
//
// If next is gone too before StartFile(next) was called, Gap may be called again:
// the record is replaced.
func (l *Log) Gap(reason, next string, previous *replication.GTIDSet) error {
	if err := replication.ValidFileName(next); err != nil {
		return &StreamError{Position: replication.Position{File: next}, Err: err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readyLocked(); err != nil || l.file == noFile {
		return err
	}
	if l.cur != nil && l.cur.head != nil {
		return errFetching
	}
	l.compare = nil
	if err := l.settleLocked(); err != nil {
		return err
	}
	if err := l.goesOn(next, previous); err != nil {
		return err
	}
	if err := l.doLocked(func() error { return l.cut(reason, next, previous) }); err != nil {
		l.failLocked(err)
		return err
	}
	l.file = fileCut
	return nil
}

// goesOn says why a file before which the source had executed previous is not of the
// history that is held: it lacks what was executed here. That is so after a RESET or
// a restore, if the names have gone on beyond those held.
func (l *Log) goesOn(name string, previous *replication.GTIDSet) error {
	extra := l.Executed().Subtract(previous)
	if extra.IsEmpty() {
		return nil
	}
	return &HistoryError{File: name, Offset: replication.FirstEventOffset,
		Reason: fmt.Sprintf("before this file the source had not executed %s, which is held", extra)}
}

// cut is run by the committer, all batches being committed. source.json is first:
// recovery finishes from there.
func (l *Log) cut(reason, next string, previous *replication.GTIDSet) error {
	doc := l.source
	doc.Gaps = slices.Clone(doc.Gaps)
	gap := Gap{
		Timeline: len(doc.Timelines), Next: next, Reason: reason, Detected: l.opts.Now(),
		Missing: previous.Subtract(l.Executed()),
	}
	if of := l.cur; of != nil {
		gap.Seq, gap.Size = of.seq, of.end.offset
		gap.From = replication.Position{File: of.name, Offset: of.end.boundary}
	} else { // the last gap again
		last := l.gaps[len(l.gaps)-1]
		gap.Seq, gap.From, gap.Size = last.Seq, last.From, last.Size
		doc.Gaps = doc.Gaps[:len(doc.Gaps)-1]
	}
	doc.Gaps = append(doc.Gaps, gap)
	if err := l.writeSource(doc); err != nil {
		return err
	}
	l.logger.Error("the source has lost what follows: a gap is recorded", "from", gap.From, "next", next, "missing", gap.Missing, "reason", reason)
	l.showGap(gap)
	return l.closeCut(gap)
}

// closeCut hands the cut file to the sealer.
func (l *Log) closeCut(gap Gap) error {
	if l.cur == nil {
		return nil
	}
	of := l.cur.finished()
	if err := l.writeIndex(of); err != nil {
		return err
	}
	l.cutProof = &catalog.FileProof{Size: of.end.offset, CRC32C: catalog.CRC32C(of.sum.file())}
	l.sealer.add(of.describe(l.source.Epoch, &Cut{Offset: gap.From.Offset, Reason: gap.Reason}))
	of.close()
	l.cur = nil
	return nil
}
