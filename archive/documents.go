package archive

import (
	"errors"
	"fmt"
	"path"
	"syscall"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// heldFile is what the catalog says of a file.
type heldFile struct {
	begin  catalog.Begin
	sealed *catalog.Manifest
	stored *catalog.Stored
}

// readSource reads source.json and gives its bytes too; nil while nothing is bound.
func (a *Archive) readSource() (b []byte, doc catalog.Source, err error) {
	name := sourcePath(a.dir)
	b, err = readFile(a.fs, name)
	if isNotExist(err) {
		return nil, doc, a.checkUnbound()
	}
	if err != nil {
		return nil, doc, unreadable("read", name, err)
	}
	doc, err = catalog.DecodeSource(b)
	if newer := (*FormatError)(nil); errors.As(err, &newer) {
		newer.File = name
		return b, doc, newer
	}
	if err != nil {
		return b, doc, &DamageError{File: name, Offset: 0, Expected: "the document that was written", Found: err.Error()}
	}
	return b, doc, nil
}

// checkUnbound refuses a directory whose source.json is gone but not its history.
func (a *Archive) checkUnbound() error {
	names, err := a.fs.ReadDir(a.dir)
	if err != nil {
		return &DiskError{Op: "read", File: a.dir, Err: err}
	}
	for _, name := range names {
		catalog := catalogPath(path.Join(a.dir, name))
		if size, err := a.fs.Stat(catalog); err == nil && size > 0 {
			return &DamageError{File: sourcePath(a.dir), Expected: "the source that " + catalog + " belongs to", Found: "no such file"}
		}
	}
	return nil
}

// showSource takes over what source.json says.
func (a *Archive) showSource(doc catalog.Source) {
	a.pubMu.Lock()
	a.source = doc
	a.pubMu.Unlock()
	for _, gap := range doc.Gaps {
		a.showGap(gap)
	}
}

func noCatalog(name string) error {
	return &DamageError{File: name, Expected: "the catalog that source.json relies on", Found: "no such file"}
}

// listCatalog reads the bytes of a catalog. The files that it lists before damage are
// returned with the error; what stands behind valid is torn.
func listCatalog(name string, b []byte) (held []heldFile, records []catalog.Record, valid int, err error) {
	records, valid, err = catalog.DecodeRecords(b)
	if newer := (*FormatError)(nil); errors.As(err, &newer) {
		newer.File = name
		return nil, nil, 0, newer
	}
	if err != nil {
		err = &DamageError{File: name, Offset: int64(valid), Expected: "a record", Found: err.Error()}
	}
	held, at, listErr := listFiles(records)
	if listErr != nil {
		err = &DamageError{File: name, Offset: at, Expected: "a record that follows from those before", Found: listErr.Error()}
	}
	return held, records, valid, err
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

// decodeMark reads MARK's bytes: the newest mark, zero where there is none yet, and
// whether a slot is damaged.
func (a *Archive) decodeMark(b []byte) (m mark, damaged bool, err error) {
	m, damaged, err = decodeMarkFile(b)
	if newer := (*FormatError)(nil); errors.As(err, &newer) {
		newer.File = markPath(a.dir)
	}
	return m, damaged, err
}

// checkMark compares MARK with the catalog, which ends at size.
func (a *Archive) checkMark(m mark, held []heldFile, size int64) error {
	if m.sequence == 0 {
		return nil
	}
	if m.fileSeq > uint64(len(held)) {
		return &DamageError{File: catalogPath(a.timelineDir()), Offset: size,
			Expected: fmt.Sprintf("a record of file %d, %s, which MARK names", m.fileSeq, m.file), Found: "the end"}
	}
	if m.fileSeq < 1 || held[m.fileSeq-1].begin.Name != m.file || int(m.timeline) != len(a.source.Timelines) {
		return &DamageError{File: markPath(a.dir), Expected: "a file of the catalog", Found: fmt.Sprintf("file %d, %s, of timeline %d", m.fileSeq, m.file, m.timeline)}
	}
	return nil
}

// showManifest takes a file over from its manifest, without reading it. local says that it
// is on the disk.
func (a *Archive) showManifest(h heldFile, local bool) error {
	m := h.sealed
	info, err := fileOf(m)
	if err != nil {
		return a.badManifest(m, err)
	}
	added, err := replication.ParseGTIDSet(m.GTIDsAdded)
	if err != nil {
		return a.badManifest(m, err)
	}
	info.Local, info.Manifest = local, m
	if h.stored != nil {
		info.Stored, info.stored.etag = true, h.stored.ETag
	}
	a.showRecovered(info, added, m.Size)
	return nil
}

func (a *Archive) badManifest(m *catalog.Manifest, err error) error {
	return &DamageError{File: catalogPath(a.timelineDir()), Expected: "the manifest of " + m.Name, Found: err.Error()}
}

// unreadable is the error for a file that cannot be opened or read. What the disk
// refuses to give is damage: this source is to stop there, and not all to end.
func unreadable(op, name string, err error) error {
	if errors.Is(err, syscall.EIO) {
		return &DamageError{File: name, Expected: "a file that can be read", Found: err.Error()}
	}
	return &DiskError{Op: op, File: name, Err: err}
}
