package archive

import (
	"context"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// BehindError says that the bucket has more than the log: another data directory was
// written to meanwhile, or this one was put back to an earlier state.
type BehindError struct {
	File   string // of which, or from which on, the bucket has more
	Held   int64  // bytes of it in the log
	Stored int64  // bytes of it in the bucket
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("the bucket has %d bytes of %s, the data directory %d: move the source's folder away and start again, an empty one is rebuilt from the bucket", e.Stored, e.File, e.Held)
}

// Permanent says that trying again cannot help.
func (e *BehindError) Permanent() bool { return true }

// begin takes the bucket over and finds out what of the log it has.
func (u *uploader) begin(ctx context.Context) error {
	writer, state, err := u.opts.Bucket.TakeOver(ctx, u.lease)
	if err != nil {
		return err
	}
	u.writer = writer
	if err := u.checkListed(state); err != nil {
		return err
	}
	if err := u.bind(ctx, state); err != nil || ctx.Err() != nil {
		return err
	}
	if err := u.reconcileAll(state); err != nil {
		return err
	}
	u.log.evict() // what an earlier upload has listed, and could not note any more
	for _, chain := range state.Chains {
		if err := u.checkBehind(chain); err != nil {
			return err
		}
	}
	u.opts.OnLease(u.lease.Predecessor())
	if err := u.log.Restored(ctx); err != nil {
		return err
	}
	if err := u.log.forgetRestore(); err != nil {
		return err
	}
	u.next = u.log.firstUnstored()
	for _, chain := range state.Chains {
		if err := u.resume(ctx, chain); err != nil {
			return err
		}
	}
	u.compared = ctx.Err() == nil
	return u.writer.Sweep(ctx)
}

// checkListed makes sure that the bucket lists all files that it has listed before: it may be
// another bucket, or its catalog an older one.
func (u *uploader) checkListed(state *bucket.State) error {
	listed, stored := 0, u.log.lastStored()
	if n := len(state.Catalogs); n > 0 {
		listed = len(state.Catalogs[n-1].Manifests)
	}
	if stored <= uint64(listed) {
		return nil
	}
	return &DamageError{
		File:     u.opts.Bucket.CatalogKey(u.log.timeline()),
		Expected: fmt.Sprintf("the files up to number %d, which were listed", stored), Found: fmt.Sprintf("those up to %d", listed),
	}
}

// checkBehind finds out whether the log has what the bucket has of a file.
func (u *uploader) checkBehind(chain bucket.Chain) error {
	f, _, ok := u.log.fileForUpload(chain.Seq)
	if !ok || f.Name != chain.File || f.Size < chain.End() {
		return &BehindError{File: chain.File, Held: f.Size, Stored: chain.End()}
	}
	return nil
}

// resume goes on with a file of which the bucket has pieces.
func (u *uploader) resume(ctx context.Context, chain bucket.Chain) error {
	f, complete, _ := u.log.fileForUpload(chain.Seq)
	var err error
	if u.hand, err = u.openFile(f.Seq, f.Name); err != nil {
		return err
	}
	u.next = f.Seq
	if err := u.hand.resume(chain, f.Size); err != nil || !complete {
		return err
	}
	return u.done(ctx, f.Size)
}

// bind ties the bucket to the log's server, waiting until that is known.
func (u *uploader) bind(ctx context.Context, state *bucket.State) error {
	held, ok := u.log.Identity()
	if state.Source != nil {
		t := state.Source.Timelines[len(state.Source.Timelines)-1]
		found, err := t.Identity()
		if err != nil {
			return err
		}
		if !ok {
			return &BehindError{File: t.Dir()}
		}
		if held.Flavor != found.Flavor || held.ServerUUID != found.ServerUUID {
			return &IdentityError{Held: found, Found: held}
		}
		u.gaps = state.Source.Gaps
		return nil
	}
	u.opts.OnLease(u.lease.Predecessor()) // or nobody would bind the log
	for ; !ok; held, ok = u.log.Identity() {
		select {
		case <-ctx.Done():
			return nil
		case <-u.log.Changed():
		}
	}
	doc := u.log.document()
	u.gaps = doc.Gaps
	return u.writer.Begin(ctx, doc)
}

// reconcileAll compares what the bucket's catalog lists with the log.
func (u *uploader) reconcileAll(state *bucket.State) error {
	doc := u.log.document()
	u.timeline = doc.Timelines[len(doc.Timelines)-1]
	if len(state.Catalogs) == 0 {
		return nil
	}
	listed := state.Catalogs[len(state.Catalogs)-1]
	for i := range listed.Manifests {
		if err := u.reconcile(&listed.Manifests[i]); err != nil {
			return err
		}
	}
	if last := listed.Last(); last != nil {
		u.listed = last.Seq
		u.reached = replication.Position{File: last.Name, Offset: last.Size}
	}
	return nil
}

// reconcile compares a file that the bucket has with the log's.
func (u *uploader) reconcile(m *catalog.Manifest) error {
	held, ok := u.log.unstoredManifest(m.Seq)
	if ok {
		if held.Name != m.Name || held.Size != m.Size || held.CRC32C != m.CRC32C {
			return &HistoryError{File: held.Name, Offset: replication.FirstEventOffset,
				Reason: fmt.Sprintf("the bucket has %s with %d bytes of CRC32C %s in its place, the log has %d bytes of CRC32C %s", m.Name, m.Size, m.CRC32C, held.Size, held.CRC32C)}
		}
		return u.log.noteStored(m.Seq, m.ETag)
	}
	if m.Seq > u.log.lastSeq() {
		return &BehindError{File: m.Name, Stored: m.Size}
	}
	if f, ok := u.log.view.Load().file(m.Seq); ok && f.Name != m.Name {
		return &HistoryError{File: f.Name, Offset: replication.FirstEventOffset, Reason: "the bucket has " + m.Name + " in its place"}
	}
	return nil
}

// storeGaps brings source.json in the bucket up to date.
func (u *uploader) storeGaps(ctx context.Context) error {
	doc := u.log.document()
	if sameGaps(doc.Gaps, u.gaps) {
		return nil
	}
	err := u.writer.PutSource(ctx, func(s *catalog.Source) { s.Timelines, s.Gaps = doc.Timelines, doc.Gaps })
	if err == nil {
		u.gaps = doc.Gaps
	}
	return err
}

// sameGaps compares two states of one log's gaps: the last one may have been replaced.
func sameGaps(a, b []Gap) bool {
	n := len(a)
	return n == len(b) && (n == 0 || a[n-1].Detected.Equal(b[n-1].Detected) && a[n-1].Next == b[n-1].Next)
}
