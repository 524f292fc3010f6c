package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
)

// Extent is a run of a file's bytes that an object has: its bytes [0, Size) are the
// file's [Start, Start+Size).
type Extent struct {
	Key  string
	ETag string // that the object must have; "" = that of the first answer, also to other files of the same Files
	Size int64  // of the object
	// Start of each extent is the end of the one before; of the first, 0.
	Start int64
}

// File is a file that objects of a store have the bytes of. Methods may be called
// concurrently.
type File struct {
	files   *Files
	size    int64
	extents []extent
	ctx     context.Context // of Open, until Close
	cancel  context.CancelFunc

	// Guarded by Cache.mu.
	closed  bool
	ahead   readahead
	next    *File // that is read behind this one; nil = not known
	fetches map[*fetch]struct{}
}

type extent struct {
	object *object
	start  int64
}

func (e extent) end() int64 { return e.start + e.object.size }

// Open makes a file of extents that follow each other and have size bytes together.
// It asks the store nothing. The file ends with ctx, or by Close, which must be
// called in either case.
func (fs *Files) Open(ctx context.Context, extents []Extent, size int64) (*File, error) {
	end := int64(0)
	for _, e := range extents {
		if e.Start != end || e.Size <= 0 {
			return nil, fmt.Errorf("%s has %d bytes from %d on, where the extents before end at %d", e.Key, e.Size, e.Start, end)
		}
		end += e.Size
	}
	if end != size {
		return nil, fmt.Errorf("the extents have %d bytes, the file %d", end, size)
	}
	c := fs.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if fs.closed {
		return nil, closedError("open")
	}
	f := &File{files: fs, size: size, fetches: map[*fetch]struct{}{}}
	f.ctx, f.cancel = context.WithCancel(ctx)
	for _, e := range extents {
		f.extents = append(f.extents, extent{fs.openObjectLocked(objectName{e.Key, e.ETag, e.Size}), e.Start})
	}
	c.files++
	return f, nil
}

// Size is the file's size in bytes.
func (f *File) Size() int64 { return f.size }

// Next says that next will be read, from its beginning, by who comes to the end of
// f, so that it is read ahead across the two. next belongs to the same Files and may
// be closed at any time.
func (f *File) Next(next *File) {
	f.files.cache.mu.Lock()
	defer f.files.cache.mu.Unlock()
	f.next = next
}

// Close ends reads that are under way, and fetches that nobody else waits for. It
// may be called more than once.
func (f *File) Close() error {
	c := f.files.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed, f.next = true, nil
	f.cancel()
	f.leaveLocked()
	c.files--
	for _, e := range f.extents {
		e.object.readers--
	}
	return nil
}

// Forget is for a reader that has found n bytes at off not to be what they must: what
// is cached of them in memory and on disk is believed no more, and the next read
// fetches it again. Damage is only what a second reading finds too.
func (f *File) Forget(off, n int64) {
	c := f.files.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for end := min(off+n, f.size); off < end; {
		e := f.extents[f.extentAt(off)]
		id := blockID{e.object, blockAt(off - e.start)}
		c.forgetLocked(id)
		off = e.start + id.end()
	}
}

// planStep is how much of a read is planned at once.
const planStep = 1 << 20

// ReadAt implements io.ReaderAt. It returns as soon as its own bytes are there,
// however much more of a block is still to come. An error that is no *ObjectError
// and not io.EOF may pass: reading again may help.
func (f *File) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("the offset %d is negative", off)
	}
	if off >= f.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > f.size-off
	if short {
		p = p[:f.size-off]
	}
	for n < len(p) {
		step := p[n:min(len(p), n+planStep)]
		read, err := f.readStep(step, off+int64(n))
		n += read
		if err != nil {
			return n, err
		}
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

func (f *File) readStep(p []byte, off int64) (n int, err error) {
	if err := f.plan(off, off+int64(len(p))); err != nil {
		return 0, err
	}
	for n < len(p) {
		read, err := f.readBlock(p[n:], off+int64(n))
		n += read
		if err != nil && !errors.Is(err, errAbandoned) {
			return n, f.explain(err)
		}
	}
	return n, nil
}

// explain puts the reader's own end before what came of it.
func (f *File) explain(err error) error {
	switch {
	case f.ctx.Err() == nil:
		return err
	case f.isClosed():
		return closedError("read")
	}
	return context.Cause(f.ctx)
}

func (f *File) isClosed() bool {
	f.files.cache.mu.Lock()
	defer f.files.cache.mu.Unlock()
	return f.closed
}

// readBlock reads what one block has of p.
func (f *File) readBlock(p []byte, off int64) (int, error) {
	e := f.extents[f.extentAt(off)]
	at := off - e.start
	b, err := f.acquire(blockID{e.object, blockAt(at)})
	if err != nil {
		return 0, err
	}
	c := f.files.cache
	defer c.drop(b)
	from := int(at - b.id.start())
	want := min(len(p), b.size-from)
	have, err := c.wait(f.ctx, b, from+want)
	if from >= len(have) {
		return 0, err
	}
	return copy(p[:want], have[from:]), err
}

// extentAt is the index of the extent that has the byte at off.
func (f *File) extentAt(off int64) int {
	return sort.Search(len(f.extents), func(i int) bool { return f.extents[i].end() > off })
}

// acquire holds a block, which it lets come if it is not in memory.
func (f *File) acquire(id blockID) (*block, error) {
	c := f.files.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.closed || f.files.closed {
		return nil, closedError("read")
	}
	b := c.blocks[id]
	switch {
	case b == nil && c.onDiskLocked(id):
		c.stats.Hits++
		b = f.files.loadLocked(f, id)
	case b == nil:
		b = f.files.fetchLocked(f, id, 1)
	case b.whole():
		c.stats.Hits++
	case b.fetch != nil:
		f.joinLocked(b.fetch)
	}
	c.holdLocked(b)
	return b, nil
}
