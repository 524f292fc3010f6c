// Package forgetfs mounts a memfs.FS, so that a real process can be put on a disk
// that forgets: what was not fsynced, data and directory entries alike, is gone or
// half there after a power cut, and operations fail or hang on demand. It needs
// FUSE, and root or fusermount3.
package forgetfs

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// ErrNoFUSE says that this process cannot mount by FUSE.
var ErrNoFUSE = errors.New("FUSE is needed, and root or fusermount3")

// Disk is a mounted file system. Its methods are called by one goroutine at a time,
// and its files are looked at through FS: this process, which answers for them,
// does not open them by their paths.
type Disk struct {
	fs     *memfs.FS
	dir    string
	server *fuse.Server
}

// Mount shows fsys under dir, which must exist, until Unmount.
func Mount(dir string, fsys *memfs.FS) (*Disk, error) {
	d := &Disk{fs: fsys, dir: dir}
	if err := d.mount(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Disk) mount() error {
	// Nothing is cached: a power cut changes what the kernel knows.
	none := time.Duration(0)
	server, err := fs.Mount(d.dir, &directory{fs: d.fs}, &fs.Options{
		EntryTimeout: &none, AttrTimeout: &none, NegativeTimeout: &none, NullPermissions: true,
		MountOptions: fuse.MountOptions{FsName: "forgetfs", Name: "forgetfs", DirectMount: true, DisableXAttrs: true},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFUSE, err)
	}
	d.server = server
	return nil
}

// FS is what is mounted. A Cut replaces it.
func (d *Disk) FS() *memfs.FS { return d.fs }

// Freeze is the instant of a power cut: no operation has an effect or is answered any
// more. The process on the disk is to be killed now. Then thaw lets the operations
// fail that it waits for, so that it can end.
func (d *Disk) Freeze() (thaw func()) {
	frozen := make(chan struct{})
	d.fs.SetInjector(func(memfs.Op) memfs.Fault {
		<-frozen
		return memfs.Fault{Err: syscall.EIO}
	})
	return sync.OnceFunc(func() { close(frozen) })
}

// Cut mounts what a power cut leaves, as the seed decides (memfs.FS.CrashClone). No
// process may have a file open.
func (d *Disk) Cut(seed uint64) error { return d.Replace(d.fs.CrashClone(seed)) }

// Replace mounts another disk. No process may have a file open.
func (d *Disk) Replace(fsys *memfs.FS) error {
	if err := d.Unmount(); err != nil {
		return err
	}
	d.fs = fsys
	return d.mount()
}

// Unmount ends the mount. It fails while a process has a file open.
func (d *Disk) Unmount() error { return d.server.Unmount() }
