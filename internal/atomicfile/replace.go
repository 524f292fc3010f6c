// Package atomicfile replaces small files so that a crash leaves the old or the
// new content, never a mixture.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace puts data under path, mode 0600. When it returns, that is durable; after
// a crash before, either the old or the new content is there. It writes a temporary
// file beside path, fsyncs and renames it, and fsyncs the directory.
func Replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
