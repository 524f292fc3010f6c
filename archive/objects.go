package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/remote"
)

// object is what the bucket holds a run of a file's bytes in.
type object struct {
	from, to int64 // the run, offsets in the file
	key      string
	etag     string // "" = whatever is there first
	first    int64  // where the object's first byte belongs in the file
	size     int64  // of the object
}

// RemoteError says that an object of the bucket could not be read now. It may pass.
type RemoteError struct {
	Key string
	Err error
}

func (e *RemoteError) Error() string { return fmt.Sprintf("read %s from the bucket: %v", e.Key, e.Err) }

// objectsHandle reads a file whose bytes are in objects of the bucket.
type objectsHandle struct {
	objects  []object // in order, without a hole
	sections []section
}

// section is a run of objects that one remote file can have.
type section struct {
	from, to int64 // offsets in the file
	shift    int64 // where the remote file's first byte belongs in the file
	file     *remote.File
}

// openObjects asks the bucket nothing yet.
func openObjects(files *remote.Files, objects []object) (*objectsHandle, error) {
	h := &objectsHandle{objects: objects}
	for i := 0; i < len(objects); {
		n := joined(objects[i:])
		run := objects[i : i+n]
		s := section{from: run[0].from, to: run[n-1].to, shift: run[0].first}
		extents, size := make([]remote.Extent, n), int64(0)
		for j, o := range run {
			extents[j] = remote.Extent{Key: o.key, ETag: o.etag, Size: o.size, Start: o.first - s.shift}
			size += o.size
		}
		var err error
		if s.file, err = files.Open(context.Background(), extents, size); err != nil { // until Close
			h.Close()
			return nil, err
		}
		h.sections = append(h.sections, s)
		i += n
	}
	return h, nil
}

// joined counts the objects at the beginning whose bytes follow each other as they are.
func joined(objects []object) int {
	n := 1
	for n < len(objects) && objects[n-1].to == objects[n-1].first+objects[n-1].size && objects[n].from == objects[n].first {
		n++
	}
	return n
}

// ReadAt gives a *DamageError for an object that is not what it was, a *RemoteError for
// what may pass.
func (h *objectsHandle) ReadAt(p []byte, off int64) (n int, err error) {
	for _, s := range h.sections {
		at := off + int64(n)
		if n == len(p) {
			return n, nil
		}
		if at < s.from || at >= s.to {
			continue
		}
		part := p[n:min(int64(len(p)), int64(n)+s.to-at)]
		m, err := s.file.ReadAt(part, at-s.shift)
		n += m
		if m < len(part) {
			return n, h.explain(at+int64(m), err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *objectsHandle) explain(at int64, err error) error {
	key, _ := h.source(at)
	var wrong *remote.ObjectError
	if errors.As(err, &wrong) {
		return &DamageError{File: key, Offset: at, Expected: "the object that the catalog names", Found: err.Error()}
	}
	return &RemoteError{Key: key, Err: err}
}

// source names the object that has the byte at an offset, or the one nearest before.
func (h *objectsHandle) source(off int64) (name string, local bool) {
	for _, o := range h.objects {
		if name == "" || o.from <= off {
			name = o.key
		}
	}
	return name, false
}

func (h *objectsHandle) forget(off, n int64) {
	for _, s := range h.sections {
		if from, to := max(off, s.from), min(off+n, s.to); from < to {
			s.file.Forget(from-s.shift, to-from)
		}
	}
}

func (h *objectsHandle) Close() error {
	var errs []error
	for _, s := range h.sections {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

// openStoredIndex opens the index of a sealed file in the bucket. All of it is read first:
// by another one, a reader would skip what it must not.
func (a *Archive) openStoredIndex(f File) (openHandle, error) {
	if a.opts.Remote == nil || f.stored.indexSize == 0 {
		return nil, fmt.Errorf("%w: the index of %s", ErrNotLocal, f.Name)
	}
	key := a.opts.Bucket.IndexKey(a.timeline(), f.Name)
	h, err := openObjects(a.opts.Remote, []object{{to: f.stored.indexSize, key: key, size: f.stored.indexSize}})
	if err != nil {
		return nil, err
	}
	buf := a.buffers.Get().(*[]byte)
	defer a.buffers.Put(buf)
	if err := proveIndex(h, key, f.stored, *buf); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// timeline is the one whose files are held.
func (a *Archive) timeline() catalog.Timeline {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	return a.source.Timelines[len(a.source.Timelines)-1]
}
