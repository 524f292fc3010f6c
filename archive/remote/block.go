package remote

import "context"

// Sizes of blocks, in bytes.
const (
	HeadSize  = 16 << 10  // of an object's first block
	BlockSize = 256 << 10 // what the blocks behind it end at multiples of
)

// blockID names a block of an object: 0 is the head, block i > 0 ends at offset
// i*BlockSize, or at the object's end.
type blockID struct {
	object *object
	index  int64
}

// blockAt is the index of the block that has the byte at offset off of an object.
func blockAt(off int64) int64 {
	if off < HeadSize {
		return 0
	}
	return off/BlockSize + 1
}

// start and end are offsets in the object.
func (id blockID) start() int64 {
	switch id.index {
	case 0:
		return 0
	case 1:
		return HeadSize
	}
	return (id.index - 1) * BlockSize
}

func (id blockID) end() int64 {
	if id.index == 0 {
		return min(HeadSize, id.object.size)
	}
	return min(id.index*BlockSize, id.object.size)
}

// block is a block in memory, whole or on its way. It stays in Cache.blocks until
// it fails or its buffer is taken for another one.
type block struct {
	id    blockID
	size  int
	class *class

	// Guarded by Cache.mu. The first filled bytes of buf do not change while refs > 0,
	// so that they may be read without the lock.
	buf    []byte // of class.size; nil until the first byte comes
	filled int
	err    error         // why the rest will not come
	refs   int           // readers, the fetch or load that fills it, the writer to disk
	fetch  *fetch        // that fills it; nil: whole, or a load from the disk does
	wake   chan struct{} // closed at the next change; nil while nobody waits
}

func (b *block) whole() bool { return b.filled == b.size }

// changedLocked wakes who waits for b.
func (b *block) changedLocked() {
	if b.wake != nil {
		close(b.wake)
		b.wake = nil
	}
}

// wait returns when the first n bytes of b are there, with all that are. After an
// error there may be less.
func (c *Cache) wait(ctx context.Context, b *block, n int) ([]byte, error) {
	for {
		have, wake, err := c.look(b, n)
		if wake == nil {
			return have, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look gives what is there of b, and what to wait for where that is too little.
func (c *Cache) look(b *block, n int) (have []byte, wake chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.filled >= n {
		return b.buf[:b.filled], nil, nil
	}
	if b.err != nil {
		return b.buf[:b.filled], nil, b.err
	}
	if b.wake == nil {
		b.wake = make(chan struct{})
	}
	return nil, b.wake, nil
}
