package archive

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"syscall"
)

// FS is the file system below a log: the operating system's (OS), or one that
// tests make fail and crash. Names are slash-separated paths. Errors for what is
// missing or there already satisfy errors.Is with fs.ErrNotExist and fs.ErrExist.
// Methods may be called concurrently.
type FS interface {
	// OpenFile opens an existing file, or with create makes it empty, for reading
	// and, unless readOnly, writing. New files have mode 0600. A new file survives a
	// crash only when SyncDir of its directory has returned.
	OpenFile(name string, mode OpenMode) (Handle, error)
	Stat(name string) (size int64, err error)
	Rename(from, to string) error
	Remove(name string) error
	// Mkdir makes one directory, mode 0700. It survives a crash only when SyncDir
	// of its parent has returned.
	Mkdir(dir string) error
	ReadDir(dir string) (names []string, err error)
	// SyncDir makes what happened to a directory's entries durable.
	SyncDir(dir string) error
	// Lock takes the lock file name, creating it, or fails at once with an error
	// that is ErrLocked when another holder has it. Close releases it, and so does
	// the death of the process.
	Lock(name string) (io.Closer, error)
}

// OpenMode says what a file is opened for.
type OpenMode int

const (
	ReadOnly  OpenMode = iota
	ReadWrite          // an existing file
	Create             // a new or emptied file, for reading and writing
)

// Handle is one open file. ReadAt may run beside everything, the others not beside
// each other.
type Handle interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync returns when all that was written is on stable storage. After an error
	// nothing written since the last success can be relied on.
	Sync() error
}

// MakeDir makes dir and its missing parents. When it returns, they are durable, also
// those that a process which died meanwhile has made.
func MakeDir(fsys FS, dir string) error {
	dir = path.Clean(dir)
	parent := path.Dir(dir)
	if _, err := fsys.ReadDir(dir); err == nil {
		err := syncDir(fsys, parent)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL) {
			return nil // whoever may not read the parent has not made dir; nor is there another way where the system knows none
		}
		return err
	}
	if parent != dir && parent != "." {
		if err := MakeDir(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.Mkdir(dir); err != nil && !isExist(err) {
		return err
	}
	return syncDir(fsys, parent)
}

// syncError marks the failure of an fsync, whatever that was a part of.
type syncError struct{ error }

func (e *syncError) Unwrap() error { return e.error }

func syncDir(fsys FS, dir string) error {
	if sabotaged == skipDirFsync {
		return nil
	}
	if err := fsys.SyncDir(dir); err != nil {
		return &syncError{err}
	}
	return nil
}

func syncFile(f Handle) error {
	if sabotaged == skipFsync {
		return nil
	}
	if err := f.Sync(); err != nil {
		return &syncError{err}
	}
	return nil
}

// readFile reads a whole file. Its size bounds what is allocated.
func readFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, err
	}
	return b, nil
}

// replaceFile puts content under name so that after a crash either the old or the
// new content is there, and after the return the new one.
func replaceFile(fsys FS, name string, content []byte) error {
	tmp := name + tmpSuffix
	f, err := fsys.OpenFile(tmp, Create)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := writeAt(f, content, 0); err != nil {
		return err
	}
	if err := syncFile(f); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return err
	}
	return syncDir(fsys, path.Dir(name))
}

const tmpSuffix = ".tmp"

// writeAt writes all of p; less without an error is one.
func writeAt(f Handle, p []byte, off int64) error {
	n, err := f.WriteAt(p, off)
	if err == nil && n < len(p) {
		return io.ErrShortWrite
	}
	return err
}

func isExist(err error) bool    { return errors.Is(err, fs.ErrExist) }
func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
