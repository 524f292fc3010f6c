package remote

import (
	"fmt"
	"sync"
	"time"
)

// CacheOptions are those of OpenCache.
type CacheOptions struct {
	// Memory is the bytes of all buffers together: what is being fetched, and what was
	// read last. 0 = 32 MiB; at least 4 MiB.
	Memory int64

	// OpenFile opens a file of the cache, for tests that make the disk fail. nil = of
	// the operating system.
	OpenFile func(path string) (Device, error)
}

const (
	defaultMemory = 32 << 20
	leastMemory   = 4 << 20
	headShare     = 8 // heads have one part in so many, of memory and disk
)

// Cache keeps blocks of objects in memory and on disk, for all readers of a process
// and of any number of stores.
type Cache struct {
	dir           *directory // nil = memory only
	heads, bodies class

	writes chan *block // to be written to the disk; each is held
	writer sync.WaitGroup

	mu     sync.Mutex
	blocks map[blockID]*block
	files  int // open ones, which share the room for reading ahead
	closed bool
	stats  Stats
}

// OpenCache opens a cache whose files in dir never have more than limit bytes
// together. dir is made if it is missing. What an earlier process left in it is
// emptied: sums of what it held died with it, so that nothing would prove it.
// dir "" or limit 0 is a cache in memory only. It is an error that another process
// uses dir, or that its files cannot be made.
func OpenCache(dir string, limit int64, opts CacheOptions) (*Cache, error) {
	memory := max(opts.Memory, leastMemory)
	if opts.Memory == 0 {
		memory = defaultMemory
	}
	c := &Cache{
		blocks: map[blockID]*block{},
		heads:  class{size: HeadSize, pool: newPool(int(memory / headShare / HeadSize))},
		bodies: class{size: BlockSize, pool: newPool(int((memory - memory/headShare) / BlockSize))},
	}
	if dir == "" || limit <= 0 {
		return c, nil
	}
	if err := c.openDisk(dir, limit, opts.OpenFile); err != nil {
		return nil, fmt.Errorf("the cache in %s: %w", dir, err)
	}
	return c, nil
}

func (c *Cache) openDisk(dir string, limit int64, open func(string) (Device, error)) (err error) {
	if c.dir, err = openDirectory(dir, open); err != nil {
		return err
	}
	c.heads.slab = newSlab(c.dir.heads, HeadSize, limit/headShare)
	c.bodies.slab = newSlab(c.dir.blocks, BlockSize, limit-limit/headShare)
	// A part of the buffers at most, so that a disk that hangs leaves some to readers.
	c.writes = make(chan *block, c.bodies.pool.limit/4)
	c.writer.Go(c.write)
	return nil
}

// Close removes the cache's files. All Files that use it must have been closed.
func (c *Cache) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed || c.dir == nil {
		return nil
	}
	close(c.writes)
	c.writer.Wait()
	return c.dir.close()
}

func (c *Cache) classOf(id blockID) *class {
	if id.index == 0 {
		return &c.heads
	}
	return &c.bodies
}

// addLocked makes a block that is not in memory, held for who fills it.
func (c *Cache) addLocked(id blockID) *block {
	b := &block{id: id, size: int(id.end() - id.start()), class: c.classOf(id), refs: 1}
	c.blocks[id] = b
	return b
}

// give is a buffer for a block that has none yet.
func (c *Cache) give(b *block, buf []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.buf = buf
}

// failLocked says that the rest of b will not come, and ends the filler's hold.
func (c *Cache) failLocked(b *block, err error) {
	b.err, b.fetch = err, nil
	if c.blocks[b.id] == b { // it is not where it was forgotten
		delete(c.blocks, b.id)
	}
	b.changedLocked()
	c.dropLocked(b)
}

// forgetLocked takes a block that is whole out of memory and disk. Who holds it keeps
// its bytes.
func (c *Cache) forgetLocked(id blockID) {
	if b := c.blocks[id]; b != nil && b.whole() {
		delete(c.blocks, id)
		b.class.pool.idle.remove(b)
		b.err = errForgotten
		if b.refs == 0 {
			b.class.pool.freeLocked(b)
		}
	}
	if s := c.classOf(id).slab; s != nil && s.index[id] != nil {
		sl := s.index[id]
		s.removeLocked(sl, &c.stats)
		s.free = append(s.free, sl.number)
	}
}

// onDiskLocked says that the block need not be fetched although it is not in memory.
func (c *Cache) onDiskLocked(id blockID) bool {
	s := c.classOf(id).slab
	return s != nil && s.index[id] != nil
}

// diskPatience is how long the writer may not take a block until its disk counts as
// failing.
const diskPatience = time.Second

// keep hands a whole block, which the caller holds, to the writer. It waits for a disk
// that is slower than the store, but not for one that hangs.
func (c *Cache) keep(b *block) {
	if !c.startKeeping(b) {
		return
	}
	timer := time.NewTimer(diskPatience)
	defer timer.Stop()
	select {
	case c.writes <- b:
		return
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b.class.slab.failedLocked(&c.stats)
	c.dropLocked(b)
}

// startKeeping holds b for the writer, if there is one that works.
func (c *Cache) startKeeping(b *block) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := b.class.slab; s == nil || s.restsLocked() {
		return false
	}
	c.holdLocked(b)
	return true
}

// write is the one goroutine that writes to the cache's disk.
func (c *Cache) write() {
	for b := range c.writes {
		c.writeBlock(b)
		c.drop(b)
	}
}

// roomLocked is how many bytes one reader may have ahead of it.
func (c *Cache) roomLocked() int64 {
	most, room := int64(maxFetchMemory), int64(c.bodies.pool.limit)*BlockSize
	if s := c.bodies.slab; s != nil && !s.restsLocked() && int64(s.slots)*BlockSize > room {
		most, room = maxFetch, int64(s.slots)*BlockSize
	}
	return min(most, max(room/4/int64(max(c.files, 1)), BlockSize))
}

// Stats are counters since OpenCache, for metrics. They are one snapshot.
type Stats struct {
	Requests     int64 // GETs and HEADs to stores
	BytesFetched int64 // of bodies
	Hits         int64 // reads of a block that was in memory or on disk
	Misses       int64 // blocks that had to be fetched
	Shared       int64 // times that a reader joined a fetch that another one began
	Retries      int64 // GETs repeated after an error
	Evictions    int64 // blocks that gave their place on disk to others
	Damaged      int64 // blocks on disk that did not have their sum, and were fetched again
	DiskErrors   int64 // failed reads and writes of the cache's files
	BytesOnDisk  int64 // of the blocks on disk now
}

// Stats gives the counters.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}
