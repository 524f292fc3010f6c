package archive

import (
	"context"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Found is a transaction that a search has found.
type Found struct {
	Transaction
	File   File
	Before *replication.GTIDSet // what was executed before it: a replica with this set misses it first. Nil where the file has no PREVIOUS_GTIDS
}

// Searches go by what is known of the files to one file, by its index to one block, and
// read that from the last boundary before it on. ErrNoTransaction says that there is
// none; a *DamageError, *DiskError or ErrNotLocal that it cannot be found out.

// FindTime finds the first transaction, in the order of the binlog, that was committed at
// t or later. Where the source's clock was set back, later ones may be older than t.
func (a *Archive) FindTime(ctx context.Context, t time.Time) (Found, error) {
	v := a.view.Load()
	us := t.UnixMicro()
	for i, f := range v.files {
		if f.LastTime.Before(t) && !f.LastTime.IsZero() {
			continue
		}
		found, err := a.search(ctx, f, v.end(i), searching{
			block: func(e indexRecord) bool { return e.times.last >= us },
			is:    func(tx *Transaction) bool { return !tx.Time.Before(t) },
		})
		if err != ErrNoTransaction {
			return found, err
		}
	}
	return Found{}, fmt.Errorf("%w: none was committed at %s or later", ErrNoTransaction, t.UTC().Format(time.RFC3339Nano))
}

// FindGTID finds a transaction by its GTID. A *GapError says that it lies in a gap.
func (a *Archive) FindGTID(ctx context.Context, g replication.GTID) (Found, error) {
	v := a.view.Load()
	for _, gap := range a.Gaps() {
		if gap.Missing.Contains(g) {
			return Found{}, &GapError{Gap: gap}
		}
	}
	wanted := &replication.GTIDSet{}
	if err := wanted.Add(g); err != nil {
		return Found{}, err
	}
	for i, f := range v.files {
		switch {
		case f.GTIDsBefore == nil:
			continue
		case f.GTIDsBefore.Contains(g) && i == 0:
			return Found{}, fmt.Errorf("%w: %s was executed before %s, the first file held", ErrNoTransaction, g, f.Name)
		case i+1 < len(v.files) && (v.files[i+1].GTIDsBefore == nil || !v.files[i+1].GTIDsBefore.Contains(g)):
			continue
		}
		found, err := a.search(ctx, f, v.end(i), searching{
			block: func(e indexRecord) bool { return intersects(e.gtids, wanted) },
			is:    func(tx *Transaction) bool { return tx.GTID == g },
		})
		if err == ErrNoTransaction {
			err = fmt.Errorf("%w: %s", err, g)
		}
		return found, err
	}
	return Found{}, fmt.Errorf("%w: %s", ErrNoTransaction, g)
}

// FindPosition finds the transaction that pos lies in, or else the next one in that file.
// Errors are also those of OpenAt.
func (a *Archive) FindPosition(ctx context.Context, pos replication.Position) (Found, error) {
	v := a.view.Load()
	i, err := v.find(pos)
	if err != nil {
		return Found{}, err
	}
	found, err := a.search(ctx, v.files[i], v.end(i), searching{
		block: func(e indexRecord) bool { return e.end > pos.Offset },
		is:    func(tx *Transaction) bool { return tx.End > pos.Offset },
	})
	if err == ErrNoTransaction {
		err = fmt.Errorf("%w: none begins behind %s in that file", err, pos)
	}
	return found, err
}

// OpenTime opens a reader at the transaction that FindTime finds.
func (a *Archive) OpenTime(ctx context.Context, t time.Time) (*Reader, error) {
	found, err := a.FindTime(ctx, t)
	if err != nil {
		return nil, err
	}
	return a.OpenAt(found.Position)
}

func intersects(gtids []byte, set *replication.GTIDSet) bool {
	if len(gtids) == 0 {
		return false
	}
	in, err := replication.ParseGTIDSet(string(gtids))
	return err != nil || !in.Intersect(set).IsEmpty()
}

// searching tells the block in which what is searched ends, and then the transaction.
type searching struct {
	block func(indexRecord) bool
	is    func(*Transaction) bool
}

// maxSearchBuffer bounds what is read at once of the stretch in which a transaction is.
const maxSearchBuffer = 4 << 20

// search looks in one file, before limit.
func (a *Archive) search(ctx context.Context, f File, limit int64, what searching) (Found, error) {
	from, until, before := replication.FirstEventOffset, limit, &replication.GTIDSet{}
	if f.GTIDsBefore != nil {
		before = f.GTIDsBefore.Clone()
	}
	var pending [][]byte // GTIDs of the blocks behind from
	for _, e := range a.indexRecords(f) {
		if e.end > limit {
			break
		}
		if what.block(e) {
			until = e.end
			break
		}
		if pending = append(pending, e.gtids); e.boundary {
			from = e.end
			for _, gtids := range pending {
				addText(before, gtids)
			}
			pending = pending[:0]
		}
	}
	file, err := a.openFile(f)
	if err != nil {
		return Found{}, err
	}
	defer file.Close()
	w := newWalker(f, file, from, int(min(until-from, maxSearchBuffer)))
	found, result := Found{File: f}, ErrNoTransaction
	err = w.walk(ctx, limit, func(tx *Transaction) bool {
		if what.is(tx) {
			found.Transaction, result = *tx, nil
		} else if tx.GTID.Number > 0 {
			before.Add(tx.GTID)
		}
		return result != nil
	})
	if err != nil {
		return Found{}, a.explainWalk(f, file, w, err)
	}
	if found.File.Size = limit; f.GTIDsBefore != nil {
		found.Before = before
	}
	return found, result
}

// addText adds GTIDs as they are printed in an index, which were checked there.
func addText(set *replication.GTIDSet, text []byte) {
	if first, last, ok := oneRun(text); ok {
		if uuid, err := replication.ParseUUID(string(text[:uuidText])); err == nil {
			set.AddInterval(uuid, "", first, last)
			return
		}
	}
	if gtids, err := replication.ParseGTIDSet(string(text)); err == nil {
		set.AddSet(gtids)
	}
}
