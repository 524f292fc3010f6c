package archive

import (
	"fmt"
)

// recoverCatalog reads the catalog and cuts its torn tail. The files that it lists
// before damage are returned with the error.
func (l *Log) recoverCatalog() ([]heldFile, error) {
	name := catalogPath(l.timelineDir())
	f, err := l.fs.OpenFile(name, ReadWrite)
	if isNotExist(err) {
		return nil, noCatalog(name)
	}
	if err != nil {
		return nil, unreadable("open", name, err)
	}
	l.catalog = &journal{fs: l.fs, path: name, file: f}
	b, err := readFile(l.fs, name)
	if err != nil {
		return nil, unreadable("read", name, err)
	}
	held, records, valid, err := listCatalog(name, b)
	if err != nil {
		return held, err
	}
	if valid < len(b) {
		l.logger.Warn("cut the torn last record of the catalog", "file", name, "offset", valid, "bytes", len(b)-valid)
		l.counts.cutBytes.Add(int64(len(b) - valid))
	}
	l.catalog.size, l.catalog.broken = int64(valid), true
	if n := len(records); n > 0 {
		l.catalog.redo = records[n-1].Offset
	}
	// Events of the file that the last record begins prove that it is durable.
	if err := l.postpone(l.countDisk(l.catalog.repair())); err != nil {
		return held, err
	}
	return held, l.postpone(l.syncDir(l.timelineDir()))
}

// recoverSealed takes a file over from its manifest, without reading it. Readers
// verify what they read.
func (l *Log) recoverSealed(h heldFile) error {
	local, err := l.checkSealed(h)
	if err != nil {
		return err
	}
	if h.stored == nil && l.opts.Bucket != nil {
		l.toStore.sealed = append(l.toStore.sealed, h.sealed)
	}
	return l.showManifest(h, local)
}

// checkSealed says whether a sealed file is on the disk, where it must have its size.
// It may be missing if it is in the bucket.
func (l *Log) checkSealed(h heldFile) (local bool, err error) {
	m, name := h.sealed, l.filePath(h.sealed.Name)
	size, err := l.fs.Stat(name)
	switch {
	case isNotExist(err) && h.stored != nil:
		return false, nil
	case isNotExist(err):
		return false, &DamageError{File: name, Expected: fmt.Sprintf("a sealed file of %d bytes", m.Size), Found: "no such file"}
	case err != nil:
		return false, unreadable("stat", name, err)
	case size != m.Size:
		return false, &DamageError{File: name, Offset: min(size, m.Size), Expected: fmt.Sprintf("a sealed file of %d bytes", m.Size), Found: fmt.Sprintf("%d bytes", size)}
	}
	return true, nil
}
