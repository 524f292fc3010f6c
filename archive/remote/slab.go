package remote

import (
	"container/list"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// slab is a file of equal slots, each with a block. The file never has more than its
// slots, whatever is under way. Guarded by Cache.mu, but for reading and writing.
type slab struct {
	file  Device
	size  int64 // of a slot, in bytes
	slots int   // at most
	used  int   // slots that were ever taken: the file ends behind them
	free  []int // slots below used
	index map[blockID]*slot
	order list.List // of *slot, the longest unused first

	restUntil time.Time // nothing is written before; after a failure
}

// slot is a block on disk.
type slot struct {
	id      blockID
	number  int
	length  int
	sum     uint32 // CRC32C of the block
	readers int    // while there are any, the slot gets no other block
	element *list.Element
}

// restAfterError is how long nothing is written to a disk that has failed or is full.
const restAfterError = 30 * time.Second

func newSlab(file Device, size, limit int64) *slab {
	return &slab{file: file, size: size, slots: int(limit / size), index: map[blockID]*slot{}}
}

// takeLocked gives the number of a slot to write to, evicting a block if need be.
func (s *slab) takeLocked(stats *Stats) (number int, ok bool) {
	if n := len(s.free); n > 0 {
		number, s.free = s.free[n-1], s.free[:n-1]
		return number, true
	}
	if s.used < s.slots {
		s.used++
		return s.used - 1, true
	}
	for e := s.order.Front(); e != nil; e = e.Next() {
		if old := e.Value.(*slot); old.readers == 0 {
			s.removeLocked(old, stats)
			stats.Evictions++
			return old.number, true
		}
	}
	return 0, false
}

func (s *slab) addLocked(sl *slot, stats *Stats) {
	sl.element = s.order.PushBack(sl)
	s.index[sl.id] = sl
	stats.BytesOnDisk += int64(sl.length)
}

func (s *slab) removeLocked(sl *slot, stats *Stats) {
	s.order.Remove(sl.element)
	delete(s.index, sl.id)
	stats.BytesOnDisk -= int64(sl.length)
}

// failedLocked lets the disk rest, after an error.
func (s *slab) failedLocked(stats *Stats) {
	stats.DiskErrors++
	s.restUntil = time.Now().Add(restAfterError)
}

// restsLocked says that nothing is to be written now.
func (s *slab) restsLocked() bool { return time.Now().Before(s.restUntil) }

// writeBlock puts a whole block on disk. That it cannot is nobody's error.
func (c *Cache) writeBlock(b *block) {
	s := b.class.slab
	c.mu.Lock()
	if b.err != nil || s.index[b.id] != nil || s.restsLocked() {
		c.mu.Unlock()
		return
	}
	number, ok := s.takeLocked(&c.stats)
	c.mu.Unlock()
	if !ok {
		return
	}
	data := b.buf[:b.size]
	sum := crc32c.Of(data)
	_, err := s.file.WriteAt(data, int64(number)*s.size)

	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		s.failedLocked(&c.stats)
	}
	if err != nil || b.err != nil { // b was forgotten meanwhile
		s.free = append(s.free, number)
		return
	}
	s.addLocked(&slot{id: b.id, number: number, length: b.size, sum: sum}, &c.stats)
}

// readBlock reads a block from the disk into buf, if it is there and has its sum.
func (c *Cache) readBlock(id blockID, buf []byte) bool {
	s := c.classOf(id).slab
	c.mu.Lock()
	sl := s.index[id]
	if sl == nil {
		c.mu.Unlock()
		return false
	}
	sl.readers++ // nobody else may be given its place meanwhile
	s.order.MoveToBack(sl.element)
	c.mu.Unlock()

	data := buf[:sl.length]
	n, err := s.file.ReadAt(data, int64(sl.number)*s.size)
	good := n == len(data) && crc32c.Of(data) == sl.sum

	c.mu.Lock()
	defer c.mu.Unlock()
	sl.readers--
	switch {
	case s.index[id] != sl: // forgotten meanwhile
		return false
	case good:
		return true
	case n < len(data) && err != nil:
		c.stats.DiskErrors++
	default:
		c.stats.Damaged++
	}
	s.removeLocked(sl, &c.stats)
	s.free = append(s.free, sl.number)
	return false
}
