package archive

import (
	"errors"
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

// noteDamage keeps what readers at the tail are to be told, if err is damage.
func (v *view) noteDamage(err error) {
	if damage := (*DamageError)(nil); v.damage == nil && errors.As(err, &damage) {
		v.damage = err
	}
}

// publish replaces the view. change gets a copy and must not write through its slices.
func (l *Log) publish(change func(v *view)) {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	l.publishLocked(change)
}

func (l *Log) publishLocked(change func(v *view)) {
	old := l.view.Load()
	next := *old
	next.changed = make(chan struct{})
	change(&next)
	l.view.Store(&next)
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
	runs := l.tail.add(of.seq, b)
	l.publishLocked(func(v *view) {
		v.tail = runs
		v.Durable = replication.Position{File: of.name, Offset: b.end.offset}
		v.showOpen(of.seq, of.name, &b.end)
	})
	return nil
}

// publishFile makes a file that was read from its start readable, up to its last
// boundary. It changes nothing that is published already.
func (l *Log) publishFile(of *openFile) {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	if of.end.previous != nil {
		l.crossLocked(of.end.previous)
	}
	l.executed.AddSet(of.added)
	l.publishLocked(func(v *view) {
		v.Durable = of.position()
		v.showOpen(of.seq, of.name, &of.end)
	})
}

// showOpen lets the open file be read up to its last boundary.
func (v *view) showOpen(seq uint64, name string, at *cursor) {
	if at.boundary <= replication.FirstEventOffset {
		return
	}
	f := File{
		Seq: seq, Name: name, Local: true, GTIDsBefore: at.previous,
		ServerVersion: at.format.ServerVersion, Checksum: at.format.Checksum, Anonymous: at.begun[replication.AnonymousTransactions] > 0,
	}
	n := len(v.files)
	if n == 0 || v.files[n-1].Seq != seq {
		if n > 0 {
			last := v.files[n-1]
			last.Size = v.limit
			v.setFile(last)
		}
		v.files = append(v.files[:n:n], f)
	} else if v.files[n-1].GTIDsBefore != at.previous || v.files[n-1].Anonymous != f.Anonymous {
		v.setFile(f)
	}
	v.limit = at.boundary
	v.Published = replication.Position{File: name, Offset: at.boundary}
}

// crossLocked goes over to a file whose PREVIOUS_GTIDS is before. What it names
// beyond the transactions we have, and beyond those known to be lost, entered the
// source without a binlog (gtid_purged was set): purged for the source's replicas
// and for ours.
func (l *Log) crossLocked(before *replication.GTIDSet) {
	if !l.crossed {
		l.crossed = true
		l.purged.AddSet(before)
		l.executed.AddSet(before)
		return
	}
	if l.executed.ContainsSet(before) {
		return
	}
	injected := before.Subtract(l.executed).Subtract(l.missing)
	l.purged.AddSet(injected)
	l.executed.AddSet(injected)
}

// State gives where the log stands now.
func (l *Log) State() State { return l.view.Load().State }

// Changed gives a channel that is closed at the next publication or change of
// files. Taken before State, it misses nothing.
func (l *Log) Changed() <-chan struct{} { return l.view.Load().changed }

// Files lists what can be read, in order. The slice is the caller's.
func (l *Log) Files() []File {
	v := l.view.Load()
	files := slices.Clone(v.files)
	if n := len(files); n > 0 {
		files[n-1].Size = v.limit
	}
	return files
}

// Executed gives all GTIDs up to the published mark: those before the oldest file
// included, those in gaps not. The set is the caller's.
func (l *Log) Executed() *replication.GTIDSet {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	return l.executed.Clone()
}

// Purged gives the GTIDs of Executed that are in none of the files. The set is the
// caller's.
func (l *Log) Purged() *replication.GTIDSet {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	return l.purged.Clone()
}

// Missing gives the GTIDs that the source executed and that are lost in gaps. The set
// is the caller's.
func (l *Log) Missing() *replication.GTIDSet {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	return l.missing.Clone()
}

// Gaps lists what is lost for good, in order.
func (l *Log) Gaps() []Gap {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	return slices.Clone(l.gaps)
}
