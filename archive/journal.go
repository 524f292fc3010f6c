package archive

import (
	"sync"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// journal is the open catalog of one timeline.
type journal struct {
	fs   FS
	path string

	mu     sync.Mutex // committer and sealer append
	file   Handle
	size   int64 // what is known to be fsynced
	broken bool  // an append failed: what stands behind size is not to be believed
	redo   int64 // from here to size the disk may lack what is read: not yet written over itself
}

// append adds a record. When it returns nil the record is durable.
func (c *journal) append(r catalog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, err := r.Append(nil)
	if err != nil {
		return err
	}
	if err := c.repairLocked(); err != nil {
		return err
	}
	c.broken = true
	if err := writeAt(c.file, line, c.size); err != nil {
		return &DiskError{Op: "write", File: c.path, Err: err}
	}
	if err := syncFile(c.file); err != nil {
		return &DiskError{Op: "fsync", File: c.path, Err: err}
	}
	c.broken = false
	c.size += int64(len(line))
	c.redo = c.size
	return nil
}

// repair takes back what a failed append may have left, durably: a record that
// nobody knows of must not speak of files that go on changing.
func (c *journal) repair() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.repairLocked()
}

func (c *journal) repairLocked() error {
	if !c.broken {
		return nil
	}
	f, err := c.fs.OpenFile(c.path, ReadWrite)
	if err != nil {
		return &DiskError{Op: "open", File: c.path, Err: err}
	}
	c.file.Close()
	c.file = f
	if err := f.Truncate(c.size); err != nil {
		return &DiskError{Op: "truncate", File: c.path, Err: err}
	}
	if err := rewrite(f, c.redo, c.size); err != nil {
		return &DiskError{Op: "write", File: c.path, Err: err}
	}
	if err := syncFile(f); err != nil {
		return &DiskError{Op: "fsync", File: c.path, Err: err}
	}
	c.broken, c.redo = false, c.size
	return nil
}

func (c *journal) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file.Close()
}
