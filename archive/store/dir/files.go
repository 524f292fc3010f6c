package dir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// writeFile makes a new file, whose bytes are durable when it returns.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// remove removes a file that may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// makeDirs makes the missing folders from root, which exists, down to path. They
// are durable when it returns.
func makeDirs(root, path string) error {
	relative, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(relative, string(filepath.Separator)) {
		next := filepath.Join(root, name)
		err := os.Mkdir(next, 0o700)
		if err == nil {
			err = syncDir(root)
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		root = next
	}
	return nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// lock waits until no other process and no other call changes names. Closing the
// lock, or the end of the process, releases it.
func (d *Dir) lock() (io.Closer, error) {
	f, err := os.OpenFile(d.private("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("flock %s: %w", f.Name(), err), f.Close())
		}
	}
}
