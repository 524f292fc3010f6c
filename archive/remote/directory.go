package remote

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Device is a file of the cache.
type Device interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// directory has the cache's files: one of heads, one of other blocks, and the lock.
type directory struct {
	path          string
	lock          *os.File
	heads, blocks Device
}

const (
	lockName   = "LOCK"
	headsName  = "heads"
	blocksName = "blocks"
)

func openDirectory(path string, open func(string) (Device, error)) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another process uses it: give each its own directory")
		}
		return nil, errors.Join(err, lock.Close())
	}
	d := &directory{path: path, lock: lock}
	if open == nil {
		open = openEmpty
	}
	if d.heads, err = open(filepath.Join(path, headsName)); err == nil {
		d.blocks, err = open(filepath.Join(path, blocksName))
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func openEmpty(path string) (Device, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err // a nil Device, unlike f
	}
	return f, nil
}

// close removes the files, and the lock last; its file stays, as somebody may just
// be waiting for it.
func (d *directory) close() error {
	var errs []error
	for name, file := range map[string]Device{headsName: d.heads, blocksName: d.blocks} {
		if file != nil {
			errs = append(errs, file.Close())
		}
		if err := os.Remove(filepath.Join(d.path, name)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, d.lock.Close())...)
}
