package archive

import (
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// recoverCatalog reads the catalog and cuts its torn tail. The files that it lists
// before damage are returned with the error.
func (l *Log) recoverCatalog() ([]heldFile, error) {
	name := catalogPath(l.timelineDir())
	f, err := l.fs.OpenFile(name, ReadWrite)
	if isNotExist(err) {
		return nil, &DamageError{File: name, Expected: "the catalog that source.json relies on", Found: "no such file"}
	}
	if err != nil {
		return nil, unreadable("open", name, err)
	}
	l.catalog = &journal{fs: l.fs, path: name, file: f}
	b, err := readFile(l.fs, name)
	if err != nil {
		return nil, unreadable("read", name, err)
	}
	records, valid, err := catalog.DecodeRecords(b)
	if newer := (*FormatError)(nil); errors.As(err, &newer) {
		newer.File = name
		return nil, newer
	}
	if err != nil {
		err = &DamageError{File: name, Offset: int64(valid), Expected: "a record", Found: err.Error()}
	}
	held, at, listErr := listFiles(records)
	if listErr != nil {
		return held, &DamageError{File: name, Offset: at, Expected: "a record that follows from those before", Found: listErr.Error()}
	}
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

// listFiles turns records into the files that they describe. On an error, at says
// where the record stands that does not fit.
func listFiles(records []catalog.Record) (held []heldFile, at int64, err error) {
	for _, r := range records {
		switch {
		case r.Begin != nil:
			b := *r.Begin
			if b.Seq != uint64(len(held))+1 || (b.After == nil) != (len(held) == 0) {
				return held, r.Offset, fmt.Errorf("file %d begins behind %d files", b.Seq, len(held))
			}
			if err := replication.ValidFileName(b.Name); err != nil {
				return held, r.Offset, err
			}
			held = append(held, heldFile{begin: b})
		case r.Stored != nil:
			s := r.Stored
			if s.Seq < 1 || s.Seq > uint64(len(held)) || held[s.Seq-1].sealed == nil {
				return held, r.Offset, fmt.Errorf("file %d is in the bucket and not sealed", s.Seq)
			}
			held[s.Seq-1].stored = s
		default:
			m := r.Sealed
			if m.Seq < 1 || m.Seq > uint64(len(held)) {
				return held, r.Offset, fmt.Errorf("file %d is sealed that did not begin", m.Seq)
			}
			h := &held[m.Seq-1]
			if h.sealed != nil || h.begin.Name != m.Name {
				return held, r.Offset, fmt.Errorf("file %d is sealed as %s", m.Seq, m.Name)
			}
			h.sealed = m
		}
	}
	return held, 0, nil
}

// recoverSealed takes a file over from its manifest, without reading it. Readers
// verify what they read.
func (l *Log) recoverSealed(h heldFile) error {
	m := h.sealed
	local, err := l.checkSealed(h)
	if err != nil {
		return err
	}
	info, err := fileOf(m)
	if err != nil {
		return l.badManifest(m, err)
	}
	added, err := replication.ParseGTIDSet(m.GTIDsAdded)
	if err != nil {
		return l.badManifest(m, err)
	}
	info.Local = local
	if h.stored != nil {
		info.Stored, info.etag = true, h.stored.ETag
	} else if l.opts.Bucket != nil {
		l.toStore.sealed = append(l.toStore.sealed, m)
	}
	l.showRecovered(info, added, m.Size)
	return nil
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

func (l *Log) badManifest(m *catalog.Manifest, err error) error {
	return &DamageError{File: l.catalog.path, Expected: "the catalog.Manifest of " + m.Name, Found: err.Error()}
}

// showRecovered makes a file readable, up to info.Size.
func (l *Log) showRecovered(info File, added *replication.GTIDSet, durable int64) {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	if info.GTIDsBefore != nil {
		l.crossLocked(info.GTIDsBefore)
	}
	l.executed.AddSet(added)
	l.publishLocked(func(v *view) {
		v.Durable = replication.Position{File: info.Name, Offset: durable}
		if info.Size <= replication.FirstEventOffset {
			return
		}
		if n := len(v.files); n > 0 && v.files[n-1].Size != v.limit {
			last := v.files[n-1]
			last.Size = v.limit
			v.setFile(last)
		}
		v.files = append(v.files, info)
		v.limit = info.Size
		v.Published = replication.Position{File: info.Name, Offset: info.Size}
	})
}
