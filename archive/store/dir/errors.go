package dir

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// explain names operation and key in an error of the system. What is missing is
// not: only the caller knows what that means.
func (d *Dir) explain(op, key string, err error) error {
	if err == nil {
		return nil
	}
	var known *store.Error
	if errors.As(err, &known) {
		return err
	}
	var kind error
	var errno syscall.Errno
	switch {
	case !errors.As(err, &errno), errno == syscall.ENAMETOOLONG, errno == syscall.ENOSYS, errno == syscall.EOPNOTSUPP:
	case errors.Is(errno, fs.ErrPermission), errno == syscall.EROFS:
		kind = store.ErrDenied
	default:
		kind = store.ErrTemporary // a full disk, a failing one, a network file system
	}
	return &store.Error{Op: op, Key: key, Kind: kind, Cause: err}
}

// missing says that something is not there: as kind, unless the whole directory is
// not, as when a file system was unmounted.
func (d *Dir) missing(op, key string, kind error) error {
	if _, err := os.Stat(d.private("lock")); err != nil {
		return &store.Error{Op: op, Key: key, Kind: store.ErrTemporary, Cause: errors.New(d.root + " is gone: is its file system mounted?")}
	}
	return &store.Error{Op: op, Key: key, Kind: kind}
}
