package remote

import (
	"container/list"
	"context"
)

// class is a kind of block that has its own part of memory and disk, so that the
// heads of many files stay while somebody reads through large ones.
type class struct {
	size int // of a buffer and of a slot on disk, in bytes
	pool pool
	slab *slab // nil = no disk
}

// pool has the buffers of a class. Those of whole blocks that nobody uses are also
// the memory part of the cache. Guarded by Cache.mu.
type pool struct {
	limit int // buffers
	made  int
	free  [][]byte
	idle  *idleList
	wake  chan struct{} // closed when a buffer may be had; nil while nobody waits
}

// idleList has the whole blocks that nobody uses, the longest unused first.
type idleList struct {
	order list.List
	at    map[*block]*list.Element
}

func newPool(limit int) pool {
	return pool{limit: limit, idle: &idleList{at: map[*block]*list.Element{}}}
}

func (l *idleList) add(b *block) { l.at[b] = l.order.PushBack(b) }

func (l *idleList) remove(b *block) {
	if e := l.at[b]; e != nil {
		l.order.Remove(e)
		delete(l.at, b)
	}
}

func (l *idleList) oldest() *block {
	if e := l.order.Front(); e != nil {
		return e.Value.(*block)
	}
	return nil
}

// buffer waits for a buffer for a block of that class. The caller holds none.
func (c *Cache) buffer(ctx context.Context, cl *class) ([]byte, error) {
	for {
		buf, wake := c.tryBuffer(cl)
		if buf != nil {
			return buf, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *Cache) tryBuffer(cl *class) ([]byte, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &cl.pool
	if n := len(p.free); n > 0 {
		buf := p.free[n-1]
		p.free = p.free[:n-1]
		return buf, nil
	}
	if p.made < p.limit {
		p.made++
		return make([]byte, cl.size), nil
	}
	if b := p.idle.oldest(); b != nil {
		p.idle.remove(b)
		delete(c.blocks, b.id)
		return b.buf, nil
	}
	if p.wake == nil {
		p.wake = make(chan struct{})
	}
	return nil, p.wake
}

// wakeLocked wakes who waits for a buffer.
func (p *pool) wakeLocked() {
	if p.wake != nil {
		close(p.wake)
		p.wake = nil
	}
}

// holdLocked keeps b's bytes where they are, until dropLocked.
func (c *Cache) holdLocked(b *block) {
	b.refs++
	b.class.pool.idle.remove(b)
}

// dropLocked is the end of a hold.
func (c *Cache) dropLocked(b *block) {
	if b.refs--; b.refs > 0 {
		return
	}
	p := &b.class.pool
	if b.err != nil {
		p.freeLocked(b)
		return
	}
	p.idle.add(b)
	p.wakeLocked()
}

// freeLocked takes its buffer from a block that is no longer in Cache.blocks.
func (p *pool) freeLocked(b *block) {
	if b.buf != nil {
		p.free = append(p.free, b.buf)
		b.buf, b.filled = nil, 0
	}
	p.wakeLocked()
}

func (c *Cache) drop(b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(b)
}
