package dir

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Dir is a directory as a store. Processes may share it.
type Dir struct {
	root string
}

var _ store.Store = (*Dir)(nil)

// staleAfter is how old what is being written must be to be what a crash has left.
const staleAfter = 24 * time.Hour

// Open uses an existing directory, and makes what it needs within. It is
// store.ErrNoBucket where there is none: a file system that is not mounted must not
// look like an empty archive.
func Open(root string) (*Dir, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	d := &Dir{root: root}
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &store.Error{Op: "open", Key: root, Kind: store.ErrNoBucket}
	case err != nil:
		return nil, d.explain("open", root, err)
	case !info.IsDir():
		return nil, &store.Error{Op: "open", Key: root, Kind: store.ErrNoBucket, Cause: errors.New("it is no directory")}
	}
	for _, folder := range []string{"objects", "uploads", "tmp"} {
		if err := makeDirs(root, d.private(folder)); err != nil {
			return nil, d.explain("open", root, err)
		}
	}
	lock, err := d.lock()
	if err != nil {
		return nil, d.explain("open", root, err)
	}
	return d, errors.Join(d.sweep(), lock.Close())
}

// String is the directory's URL.
func (d *Dir) String() string { return "file://" + d.root }

// Close has nothing to end.
func (d *Dir) Close() error { return nil }

// private is the path of something that is no object's name.
func (d *Dir) private(elements ...string) string {
	return filepath.Join(append([]string{d.root, ".store"}, elements...)...)
}

// sweep removes what a crash has left half-written long ago.
func (d *Dir) sweep() error {
	entries, err := os.ReadDir(d.private("tmp"))
	if err != nil {
		return d.explain("open", d.root, err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && time.Since(info.ModTime()) > staleAfter {
			err = os.Remove(d.private("tmp", entry.Name()))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return d.explain("open", d.root, err)
		}
	}
	return nil
}
