package archive

import (
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// toStore is what is kept for Upload of the files that are not known to be in the
// bucket; nothing without one.
type toStore struct {
	sealed []*catalog.Manifest      // in order
	before map[uint64]*bucket.After // by sequence number, what the file before it holds
}

// begun notes a file's predecessor.
func (l *Log) begun(b *catalog.Begin, before string) {
	if b.After == nil || l.opts.Bucket == nil {
		return
	}
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	if l.toStore.before == nil {
		l.toStore.before = map[uint64]*bucket.After{}
	}
	l.toStore.before[b.Seq] = &bucket.After{Name: before, FileProof: *b.After}
}

// fileBefore says what the file before one holds; nil where there is none.
func (l *Log) fileBefore(seq uint64) *bucket.After {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	return l.toStore.before[seq]
}

// noteStored records that a sealed file is in the bucket, complete and verified, and
// in the catalog there. When it returns nil that is durable.
func (l *Log) noteStored(seq uint64, etag string) error {
	if err := l.catalog.append(catalog.Record{Stored: &catalog.Stored{Seq: seq, ETag: etag}}); err != nil {
		return err
	}
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	delete(l.toStore.before, seq)
	l.toStore.sealed = slices.DeleteFunc(l.toStore.sealed, func(m *catalog.Manifest) bool { return m.Seq == seq })
	l.publishLocked(func(v *view) {
		if f, ok := v.file(seq); ok {
			f.Stored, f.stored.etag = true, etag
			v.setFile(f)
		}
	})
	return nil
}

// file finds a file that can be read.
func (v *view) file(seq uint64) (File, bool) {
	i, ok := slices.BinarySearchFunc(v.files, seq, fileOrder)
	if !ok {
		return File{}, false
	}
	return v.files[i], true
}

// fileForUpload gives a file whose Size is how far it is durable; complete says that this
// is all of it.
func (l *Log) fileForUpload(seq uint64) (f File, complete, ok bool) {
	if m, sealed := l.unstoredManifest(seq); sealed {
		return File{Seq: seq, Name: m.Name, Size: m.Size}, true, true
	}
	v := l.view.Load()
	i, ok := slices.BinarySearchFunc(v.files, seq, fileOrder)
	if !ok || v.files[i].Cut != nil { // of a cut file the manifest, which comes, says how long it is
		return File{}, false, false
	}
	f = v.files[i]
	if f.Size = v.end(i); f.Name != v.Durable.File {
		return f, true, true
	}
	f.Size = v.Durable.Offset
	return f, false, true
}

// lastSeq is the sequence number of the last file that holds something.
func (l *Log) lastSeq() uint64 {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	last := uint64(0)
	if n := len(l.toStore.sealed); n > 0 {
		last = l.toStore.sealed[n-1].Seq
	}
	if files := l.view.Load().files; len(files) > 0 {
		last = max(last, files[len(files)-1].Seq)
	}
	return last
}

// firstUnstored is the sequence number of the first file that the bucket's catalog
// does not list, be it complete or open or none yet.
func (l *Log) firstUnstored() uint64 {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	if len(l.toStore.sealed) > 0 {
		return l.toStore.sealed[0].Seq
	}
	for _, f := range slices.Backward(l.view.Load().files) {
		if f.Stored {
			return f.Seq + 1
		}
	}
	return 1
}

// lastStored is the sequence number of the last file that was seen in the bucket's catalog; 0
// = none.
func (l *Log) lastStored() uint64 {
	for _, f := range slices.Backward(l.view.Load().files) {
		if f.Stored {
			return f.Seq
		}
	}
	return 0
}

// unstoredManifest gives that of a sealed file which the bucket is not known to have.
func (l *Log) unstoredManifest(seq uint64) (*catalog.Manifest, bool) {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	i := slices.IndexFunc(l.toStore.sealed, func(m *catalog.Manifest) bool { return m.Seq == seq })
	if i < 0 {
		return nil, false
	}
	return l.toStore.sealed[i], true
}

// document gives source.json as it is.
func (l *Log) document() catalog.Source {
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	return l.source
}
