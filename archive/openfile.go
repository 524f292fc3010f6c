package archive

import "github.com/binlogproxy/binlogproxy/replication"

// openFile is the file that is being written, as of its last commit. Only the
// committer uses it, and recovery before there is one.
type openFile struct {
	seq  uint64
	name string
	data Handle
	idx  Handle

	every int64 // bytes between two index entries, at least

	end     cursor // of what is committed
	sum     sums   // at end.offset
	ahead   sums   // at written
	written int64  // how far bytes were written; behind end.offset lies an unfinished event

	added    *replication.GTIDSet // by the file's transactions so far
	block    *replication.GTIDSet // of these, behind the last index entry
	starts   []int64              // where index entries stand
	index    []byte               // entries not yet written to idx
	idxSize  int64                // bytes of idx that were written
	idxDirty bool                 // some of them are not fsynced

	head *head // while the beginning is not on the disk; else nil
}

func newOpenFile(seq uint64, name string, every int64) *openFile {
	of := &openFile{seq: seq, name: name, every: every, added: &replication.GTIDSet{}, block: &replication.GTIDSet{}}
	of.end = newFollower(name, 0).at
	of.sum.write(replication.FileMagic[:])
	of.ahead = of.sum
	of.written = of.end.offset
	return of
}

// absorb accounts for a batch that continues what was written. Index entries
// gather in of.index.
func (of *openFile) absorb(b *batch) error {
	s, pos, gtid := of.ahead, b.base, 0
	addGTIDs := func(until int) error {
		for ; gtid < until; gtid++ {
			if err := b.gtids[gtid].addTo(of.block); err != nil {
				return err
			}
			if err := b.gtids[gtid].addTo(of.added); err != nil {
				return err
			}
		}
		return nil
	}
	for _, p := range b.points {
		s.write(b.data[pos-b.base : p.offset-b.base])
		if err := addGTIDs(p.gtids); err != nil {
			return err
		}
		of.entry(p, s.block)
		s.endBlock()
		pos, gtid = p.offset, p.gtids
	}
	if err := addGTIDs(len(b.gtids)); err != nil {
		return err
	}
	if b.end.offset > b.base {
		s.write(b.data[pos-b.base : b.end.offset-b.base])
		pos, of.sum = b.end.offset, s
	}
	s.write(b.data[pos-b.base:])
	of.ahead, of.written, of.end = s, b.next(), b.end
	return nil
}

func (of *openFile) entry(p point, block uint32) {
	of.index = indexEntry{offset: p.offset, boundary: p.boundary, block: block, times: p.times, gtids: of.block}.append(of.index)
	of.starts = append(of.starts, p.offset)
	of.block = &replication.GTIDSet{}
}

// finished is the file with the entry that ends the index, at the file's end. of
// itself stays as it is: should what comes next fail, the file goes on.
func (of *openFile) finished() *openFile {
	ended := *of
	ended.finish()
	return &ended
}

func (of *openFile) finish() {
	if of.end.block < of.end.offset {
		of.entry(point{offset: of.end.offset, boundary: !of.end.tracker.Open(), times: of.end.blockTimes}, of.sum.block)
		of.end.block = of.end.offset
	}
}

// drop forgets the bytes of an unfinished event.
func (of *openFile) drop() { of.ahead, of.written = of.sum, of.end.offset }

func (of *openFile) close() {
	for _, f := range []Handle{of.data, of.idx} {
		if f != nil {
			f.Close() // nothing depends on it: what counts is fsynced
		}
	}
}

func (of *openFile) position() replication.Position {
	return replication.Position{File: of.name, Offset: of.end.offset}
}
