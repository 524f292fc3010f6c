package archive

import (
	"errors"
	"fmt"
	"slices"

	"github.com/binlogproxy/binlogproxy/replication"
)

// State is one consistent snapshot of where the log stands.
type State struct {
	Timeline  string               // "0001-<uuid>"; "" while nothing is bound
	Published replication.Position // everything before it may be read; zero while nothing is published
	Durable   replication.Position // everything before it is fsynced; zero while nothing is held
	Stalled   bool                 // the disk is full: nothing is received until there is room
	Stopped   error                // why nothing will be received any more without a person; nil while all is well
}

// view is what readers see: never changed, replaced as a whole.
type view struct {
	State
	files   []File        // in order; Size of the last one is limit, not what stands here
	limit   int64         // how far the last of files may be read
	tail    []run         // what of their ends is in memory, in order
	damage  error         // what meets a reader at limit, instead of waiting
	changed chan struct{} // closed when the view is replaced
}

// end gives how far files[i] may be read.
func (v *view) end(i int) int64 {
	if i == len(v.files)-1 {
		return v.limit
	}
	return v.files[i].Size
}

// find gives the place of pos in the view; see OpenAt for its errors.
func (v *view) find(pos replication.Position) (int, error) {
	i := len(v.files) - 1
	for i >= 0 && v.files[i].Name != pos.File {
		i--
	}
	switch {
	case i < 0:
		return 0, fmt.Errorf("%w: %q", ErrNoSuchFile, pos.File)
	case pos.Offset < replication.FirstEventOffset:
		return 0, fmt.Errorf("%w: %s", ErrPositionTooSmall, pos)
	case pos.Offset > v.end(i):
		return 0, fmt.Errorf("%w: %s, the end is at %d", ErrPositionTooLarge, pos, v.end(i))
	}
	return i, nil
}

// noteDamage keeps what readers at the tail are to be told, if err is damage.
func (v *view) noteDamage(err error) {
	if damage := (*DamageError)(nil); v.damage == nil && errors.As(err, &damage) {
		v.damage = err
	}
}

// publish replaces the view. change gets a copy and must not write through its slices.
func (a *Archive) publish(change func(v *view)) {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	a.publishLocked(change)
}

func (a *Archive) publishLocked(change func(v *view)) {
	old := a.view.Load()
	next := *old
	next.changed = make(chan struct{})
	change(&next)
	a.view.Store(&next)
	close(old.changed)
}

// setFile gives a view with another description of one file.
func (v *view) setFile(f File) {
	for i := len(v.files) - 1; i >= 0; i-- {
		if v.files[i].Seq == f.Seq {
			v.files = slices.Clone(v.files)
			v.files[i] = f
			return
		}
	}
}

// publishBatch makes what a commit has made durable readable.
func (l *Log) publishBatch(of *openFile, b *batch) error {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	if b.previous != nil {
		l.crossLocked(b.previous)
	}
	for i := range b.gtids {
		if err := b.gtids[i].addTo(l.executed); err != nil {
			return err
		}
	}
	runs := l.tail.add(of.seq, b, l.followers.Load() > 0)
	l.publishLocked(func(v *view) {
		v.tail = runs
		v.Durable = replication.Position{File: of.name, Offset: b.end.offset}
		v.showOpen(of, &b.end)
	})
	return nil
}

// publishFile makes a file that was read from its start readable, up to its last
// boundary. It changes nothing that is published already.
func (a *Archive) publishFile(of *openFile) {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	if of.end.previous != nil {
		a.crossLocked(of.end.previous)
	}
	a.executed.AddSet(of.added)
	a.publishLocked(func(v *view) {
		v.Durable = of.position()
		v.showOpen(of, &of.end)
	})
}

// showRecovered makes a file readable, up to info.Size.
func (a *Archive) showRecovered(info File, added *replication.GTIDSet, durable int64) {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	if info.GTIDsBefore != nil {
		a.crossLocked(info.GTIDsBefore)
	}
	a.executed.AddSet(added)
	a.publishLocked(func(v *view) {
		v.Durable = replication.Position{File: info.Name, Offset: durable}
		if info.Size <= replication.FirstEventOffset {
			return
		}
		if n := len(v.files); n > 0 && v.files[n-1].Size != v.limit {
			last := v.files[n-1]
			last.Size = v.limit
			v.setFile(last)
		}
		v.files = append(v.files, info)
		v.limit = info.Size
		v.Published = replication.Position{File: info.Name, Offset: info.Size}
	})
}

// showOpen lets the open file be read up to its last boundary.
func (v *view) showOpen(of *openFile, at *cursor) {
	if at.boundary <= replication.FirstEventOffset {
		return
	}
	f := File{
		Seq: of.seq, Name: of.name, Local: true, GTIDsBefore: at.previous,
		ServerVersion: at.format.ServerVersion, Checksum: at.format.Checksum, Anonymous: at.begun[replication.AnonymousTransactions] > 0,
		head: of.head,
	}
	n := len(v.files)
	if n == 0 || v.files[n-1].Seq != of.seq {
		if n > 0 {
			last := v.files[n-1]
			last.Size = v.limit
			v.setFile(last)
		}
		v.files = append(v.files[:n:n], f)
	} else if v.files[n-1].GTIDsBefore != at.previous || v.files[n-1].Anonymous != f.Anonymous || v.files[n-1].head != f.head {
		v.setFile(f)
	}
	v.limit = at.boundary
	v.Published = replication.Position{File: of.name, Offset: at.boundary}
}

// crossLocked goes over to a file whose PREVIOUS_GTIDS is before. What it names
// beyond the transactions we have, and beyond those known to be lost, entered the
// source without a binlog (gtid_purged was set): purged for the source's replicas
// and for ours.
func (a *Archive) crossLocked(before *replication.GTIDSet) {
	if !a.crossed {
		a.crossed = true
		a.purged.AddSet(before)
		a.executed.AddSet(before)
		return
	}
	if a.executed.ContainsSet(before) {
		return
	}
	injected := before.Subtract(a.executed).Subtract(a.missing)
	a.purged.AddSet(injected)
	a.executed.AddSet(injected)
}

// showGap adds a recorded gap to what readers see, in place of one of the same file.
func (a *Archive) showGap(gap Gap) {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	a.gaps = slices.Clone(a.gaps)
	if n := len(a.gaps); n > 0 && a.gaps[n-1].Seq == gap.Seq {
		a.gaps = a.gaps[:n-1]
	}
	a.gaps = append(a.gaps, gap)
	a.missing = &replication.GTIDSet{}
	for _, g := range a.gaps {
		a.missing.AddSet(g.Missing)
	}
	a.publishLocked(func(v *view) {
		if n := len(v.files); n > 0 && v.files[n-1].Seq == gap.Seq {
			f := v.files[n-1]
			f.Cut = &Cut{Offset: gap.From.Offset, Reason: gap.Reason}
			v.setFile(f)
		}
	})
}

// State gives where the log stands now.
func (a *Archive) State() State { return a.view.Load().State }

// Changed gives a channel that is closed at the next publication or change of
// files. Taken before State, it misses nothing.
func (a *Archive) Changed() <-chan struct{} { return a.view.Load().changed }

// Files lists what can be read, in order. The slice is the caller's.
func (a *Archive) Files() []File {
	v := a.view.Load()
	files := slices.Clone(v.files)
	if n := len(files); n > 0 {
		files[n-1].Size = v.limit
	}
	return files
}

// Executed gives all GTIDs up to the published mark: those before the oldest file
// included, those in gaps not. The set is the caller's.
func (a *Archive) Executed() *replication.GTIDSet {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	return a.executed.Clone()
}

// Purged gives the GTIDs of Executed that are in none of the files. The set is the
// caller's.
func (a *Archive) Purged() *replication.GTIDSet {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	return a.purged.Clone()
}

// Missing gives the GTIDs that the source executed and that are lost in gaps. The set
// is the caller's.
func (a *Archive) Missing() *replication.GTIDSet {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	return a.missing.Clone()
}

// Gaps lists what is lost for good, in order.
func (a *Archive) Gaps() []Gap {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	return slices.Clone(a.gaps)
}

// gapBehind finds the gap at the end of a cut file.
func (a *Archive) gapBehind(seq uint64) (Gap, bool) {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	for _, g := range a.gaps {
		if g.Seq == seq {
			return g, true
		}
	}
	return Gap{}, false
}
