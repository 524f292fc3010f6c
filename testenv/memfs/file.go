package memfs

import (
	"io"
	"io/fs"
)

// sector is the unit in which unsynced bytes survive a crash.
const sector = 512

// node is a file's content: now, and as of the last fsync. dirty lists the sectors
// that the next fsync will make durable; a failed fsync empties it.
type node struct {
	now    []byte
	synced []byte
	dirty  map[int]bool
}

func (n *node) touch(from, to int) {
	if n.dirty == nil {
		n.dirty = map[int]bool{}
	}
	for s := from / sector; s*sector < to; s++ {
		n.dirty[s] = true
	}
}

func (n *node) write(p []byte, off int) {
	if end := off + len(p); end > len(n.now) {
		n.touch(len(n.now), end)
		n.now = append(n.now, make([]byte, end-len(n.now))...)
	}
	copy(n.now[off:], p)
	n.touch(off, off+len(p))
}

func (n *node) truncate(size int) {
	n.touch(min(size, len(n.now)), max(size, len(n.now)))
	if size <= len(n.now) {
		n.now = n.now[:size:size]
	} else {
		n.now = append(n.now, make([]byte, size-len(n.now))...)
	}
}

func (n *node) sync() {
	if len(n.synced) > len(n.now) {
		n.synced = n.synced[:len(n.now)]
	}
	n.synced = append(n.synced, make([]byte, len(n.now)-len(n.synced))...)
	for s := range n.dirty {
		if from := s * sector; from < len(n.now) {
			copy(n.synced[from:min(from+sector, len(n.synced))], n.now[from:])
		}
	}
	n.dirty = nil
}

// file is an open file.
type file struct {
	fs       *FS
	name     string
	node     *node
	readOnly bool
	closed   bool
}

func (f *file) check(op string) error {
	if f.closed {
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	}
	if f.readOnly && op != "read" {
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrPermission}
	}
	return nil
}

func (f *file) fail(op string, err error) error { return &fs.PathError{Op: op, Path: f.name, Err: err} }

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	fault := f.fs.before(Write, f.name, off, len(p))
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write"); err != nil {
		return 0, err
	}
	n := len(p)
	if fault.Err != nil || fault.Short {
		n = min(n, fault.Written)
	} else if f.fs.capacity > 0 {
		if free := f.fs.capacity - f.fs.usedLocked() + int64(len(f.node.now)) - off; free < int64(n) {
			n, fault.Err = int(max(0, free)), errNoSpace
		}
	}
	if n > 0 {
		f.node.write(p[:n], int(off))
	}
	if fault.Err != nil {
		return n, f.fail("write", fault.Err)
	}
	return n, nil
}

func (f *file) Truncate(size int64) error {
	fault := f.fs.before(Truncate, f.name, size, 0)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("truncate"); err != nil {
		return err
	}
	if fault.Err != nil {
		return f.fail("truncate", fault.Err)
	}
	f.node.truncate(int(size))
	return nil
}

// Sync makes the content durable. A failed one drops what was dirty: it stays
// readable, and no later fsync makes it durable unless it is written again.
func (f *file) Sync() error {
	fault := f.fs.before(Sync, f.name, 0, 0)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync"); err != nil {
		return err
	}
	if fault.Err != nil {
		f.node.dirty = nil
		return f.fail("sync", fault.Err)
	}
	f.node.sync()
	return nil
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	return int64(len(f.node.now)), nil
}

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return f.fail("close", fs.ErrClosed)
	}
	f.closed = true
	return nil
}
