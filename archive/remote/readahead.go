package remote

// readahead is what a file knows of how it is read.
type readahead struct {
	run  int64 // bytes read one after the other
	next int64 // where the last read ended
	edge int64 // before it nothing is left to be fetched
}

const (
	near = BlockSize // a read so far from the end of the last one still follows it

	maxFetch       = 8 << 20 // bytes of a GET, where the disk takes what is not read yet
	maxFetchMemory = 4 << 20 // and where only memory does
	maxFetches     = 8       // GETs under way for one file
)

// plan starts what has to be fetched for a read of [off, end), and what is worth
// being fetched ahead of the next ones: about four times as much as was read one
// after the other, so that who reads here and there pays for little more than that.
func (f *File) plan(off, end int64) error {
	c := f.files.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.closed || f.files.closed {
		return closedError("read")
	}
	a := &f.ahead
	if off < a.next-near || off > a.next+near {
		f.leaveLocked()
		*a = readahead{}
	}
	follows := a.run > 0
	a.run, a.next = a.run+end-off, end
	a.edge = max(a.edge, f.ensureLocked(off, end))
	if follows {
		f.aheadLocked(min(4*a.run, c.roomLocked()))
	}
	return nil
}

// aheadLocked fetches the next size bytes when less than half of that is left before
// the edge, of the next file too.
func (f *File) aheadLocked(size int64) {
	a := &f.ahead
	if a.edge-a.next >= size/2 {
		return
	}
	a.edge = f.ensureLocked(a.edge, a.edge+size)
	if next := f.next; next != nil && a.edge == f.size && a.edge-a.next < size/2 && next.ahead == (readahead{}) && !next.closed {
		next.ahead.run = a.run
		next.ahead.edge = next.ensureLocked(0, size)
	}
}

// ensureLocked starts the fetches of what is missing of [from, to), as far as there
// may be so many, and takes part in those that are under way. It returns the end of
// what has not to be fetched any more.
func (f *File) ensureLocked(from, to int64) int64 {
	c := f.files.cache
	to = min(to, f.size)
	for from < to {
		e := f.extents[f.extentAt(from)]
		id := blockID{e.object, blockAt(from - e.start)}
		last := id
		if b := c.blocks[id]; b != nil {
			if b.fetch != nil {
				f.joinLocked(b.fetch)
			}
		} else if !c.onDiskLocked(id) {
			if len(f.fetches) >= maxFetches {
				return from
			}
			last.index += c.missingLocked(id, blockAt(min(to, e.end())-e.start-1)) - 1
			f.files.fetchLocked(f, id, last.index-id.index+1)
		}
		from = e.start + last.end()
	}
	return from
}

// missingLocked counts the blocks from id up to the index last that one GET should
// bring.
func (c *Cache) missingLocked(id blockID, last int64) (n int64) {
	for last = min(last, id.index+maxFetch/BlockSize-1); id.index <= last; id.index++ {
		if c.blocks[id] != nil || c.onDiskLocked(id) {
			break
		}
		n++
	}
	return n
}
