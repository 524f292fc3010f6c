// Package memfs is a file system in memory for tests of what must survive a crash.
// It remembers what was fsynced and what was not, so that a clone can be taken as a
// power failure would leave it; it fails operations on demand, and a failed fsync
// loses pages for good as Linux does: a later fsync does not bring them back.
package memfs

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sync"
	"syscall"

	"github.com/binlogproxy/binlogproxy/archive"
)

// Op is an operation that changes something, or opens a file for writing.
type Op struct {
	N      int // counted from 1 for each FS
	Kind   Kind
	Name   string // path
	Offset int64  // of a write, or the size of a truncate
	Size   int    // of a write
}

// Kind is what an operation does.
type Kind string

// The kinds of operations.
const (
	Create   Kind = "create"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	SyncDir  Kind = "syncdir"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	Mkdir    Kind = "mkdir"
)

func (o Op) String() string {
	return fmt.Sprintf("#%d %s %s %d+%d", o.N, o.Kind, o.Name, o.Offset, o.Size)
}

// Fault makes an operation fail with Err. Of a write, the first Written bytes are
// written all the same; with Err nil and Short set, that is all it reports. Any other
// operation has no effect.
type Fault struct {
	Err     error
	Short   bool
	Written int
}

// FS is one file system. It implements archive.FS.
type FS struct {
	mu       sync.Mutex
	dirs     map[string]*dir
	locks    map[string]bool
	ops      int
	inject   func(Op) Fault
	capacity int64 // bytes of all files together; 0 = unlimited
}

var _ archive.FS = (*FS)(nil)

// dir is a directory: its entries now, and what happened to them since the last
// SyncDir. Entries point to a *node, or to nil for a directory.
type dir struct {
	now     map[string]*node
	synced  map[string]*node
	pending []change
}

// change is one change of a directory's entries: to gets the node, from goes away.
type change struct {
	to   string
	node *node
	from string
}

// New makes an empty file system with the root directory "/".
func New() *FS {
	return &FS{dirs: map[string]*dir{"/": newDir()}, locks: map[string]bool{}}
}

func newDir() *dir { return &dir{now: map[string]*node{}, synced: map[string]*node{}} }

// SetInjector lets f see each operation before it is done, and decide whether it
// fails. f runs without locks, in the goroutine of the operation, and may take clones.
func (f *FS) SetInjector(inject func(Op) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inject = inject
}

// SetCapacity limits the bytes of all files together; writes beyond it stop short
// with ENOSPC. 0 = unlimited.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// Used gives the bytes of all files together.
func (f *FS) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.usedLocked()
}

func (f *FS) usedLocked() int64 {
	var n int64
	for _, d := range f.dirs {
		for _, node := range d.now {
			if node != nil {
				n += int64(len(node.now))
			}
		}
	}
	return n
}

// Ops gives how many operations were done.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// before counts an operation and asks the injector.
func (f *FS) before(kind Kind, name string, offset int64, size int) Fault {
	f.mu.Lock()
	f.ops++
	op, inject := Op{N: f.ops, Kind: kind, Name: name, Offset: offset, Size: size}, f.inject
	f.mu.Unlock()
	if inject == nil {
		return Fault{}
	}
	return inject(op)
}

func notExist(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

// lookup finds a file's directory and entry.
func (f *FS) lookup(name string) (*dir, string, *node) {
	d := f.dirs[path.Dir(name)]
	if d == nil {
		return nil, "", nil
	}
	return d, path.Base(name), d.now[path.Base(name)]
}

func (d *dir) change(c change) {
	c.apply(d.now)
	d.pending = append(d.pending, c)
}

func (c change) apply(entries map[string]*node) {
	if c.from != "" {
		delete(entries, c.from)
	}
	if c.to != "" {
		entries[c.to] = c.node
	}
}

// OpenFile implements archive.FS.
func (f *FS) OpenFile(name string, mode archive.OpenMode) (archive.Handle, error) {
	if mode == archive.Create {
		if fault := f.before(Create, name, 0, 0); fault.Err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fault.Err}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, n := f.lookup(name)
	if d == nil || n == nil && mode != archive.Create {
		return nil, notExist("open", name)
	}
	if n == nil {
		n = &node{}
		d.change(change{to: base, node: n})
	} else if mode == archive.Create {
		n.truncate(0)
	}
	return &file{fs: f, name: name, node: n, readOnly: mode == archive.ReadOnly}, nil
}

// Stat implements archive.FS.
func (f *FS) Stat(name string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, n := f.lookup(name)
	if n == nil {
		return 0, notExist("stat", name)
	}
	return int64(len(n.now)), nil
}

// Rename implements archive.FS, within one directory.
func (f *FS) Rename(from, to string) error {
	if fault := f.before(Rename, to, 0, 0); fault.Err != nil {
		return fault.Err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, n := f.lookup(from)
	if n == nil || path.Dir(from) != path.Dir(to) {
		return notExist("rename", from)
	}
	d.change(change{to: path.Base(to), node: n, from: base})
	return nil
}

// Remove implements archive.FS.
func (f *FS) Remove(name string) error {
	if fault := f.before(Remove, name, 0, 0); fault.Err != nil {
		return fault.Err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, n := f.lookup(name)
	if n == nil {
		return notExist("remove", name)
	}
	d.change(change{from: base})
	return nil
}

// Mkdir implements archive.FS.
func (f *FS) Mkdir(name string) error {
	if fault := f.before(Mkdir, name, 0, 0); fault.Err != nil {
		return fault.Err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	parent := f.dirs[path.Dir(name)]
	if parent == nil {
		return notExist("mkdir", name)
	}
	if f.dirs[name] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	f.dirs[name] = newDir()
	parent.change(change{to: path.Base(name)})
	return nil
}

// ReadDir implements archive.FS.
func (f *FS) ReadDir(name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.dirs[name]
	if d == nil {
		return nil, notExist("readdir", name)
	}
	var names []string
	for n := range d.now {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir implements archive.FS.
func (f *FS) SyncDir(name string) error {
	if fault := f.before(SyncDir, name, 0, 0); fault.Err != nil {
		return fault.Err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.dirs[name]
	if d == nil {
		return notExist("sync", name)
	}
	for _, c := range d.pending {
		c.apply(d.synced)
	}
	d.pending = nil
	return nil
}

type lock struct {
	fs   *FS
	name string
}

// Lock implements archive.FS. Clones hold no locks: their process is dead.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, n := f.lookup(name)
	if d == nil {
		return nil, notExist("lock", name)
	}
	if f.locks[name] {
		return nil, archive.ErrLocked
	}
	if n == nil {
		d.change(change{to: base, node: &node{}})
	}
	f.locks[name] = true
	return &lock{f, name}, nil
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}

// ReadFile gives a file's content.
func (f *FS) ReadFile(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, n := f.lookup(name)
	if n == nil {
		return nil, notExist("read", name)
	}
	return slices.Clone(n.now), nil
}

// Edit changes an existing file behind the log's back, durably.
func (f *FS) Edit(name string, change func([]byte) []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, n := f.lookup(name)
	if n == nil {
		return notExist("edit", name)
	}
	n.now = change(n.now)
	n.synced, n.dirty = slices.Clone(n.now), nil
	return nil
}

// Forget removes a file behind the log's back, durably.
func (f *FS) Forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.dirs[path.Dir(name)]; d != nil {
		delete(d.now, path.Base(name))
		delete(d.synced, path.Base(name))
	}
}

var errNoSpace error = syscall.ENOSPC
