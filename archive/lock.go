package archive

import (
	"errors"
	"path"
)

// lockDir makes this process the directory's writer.
func (l *Log) lockDir() error {
	name := path.Join(l.dir, "LOCK")
	lock, err := l.fs.Lock(name)
	if errors.Is(err, ErrLocked) {
		return &LockedError{Dir: l.dir}
	}
	if err != nil {
		return &DiskError{Op: "lock", File: name, Err: err}
	}
	l.lock = lock
	return nil
}
