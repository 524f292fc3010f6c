package archive

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/archive/remote"
)

// errFetching refuses what needs bytes that are not on the disk yet. It passes.
var errFetching = errors.New("the beginning of the open file is still being fetched from the bucket; what needs it has to wait")

// errFetched ends a connection when that is over: with the next one the file goes on as
// any other.
var errFetched = errors.New("the open file has been fetched from the bucket; the connection begins anew")

// head is the beginning of the open file while it is on its way from the bucket. What is
// received is written behind it, and read from there on; index and sums of the whole file
// are made when the beginning is here.
type head struct {
	start   int64     // the disk has everything from here on; a boundary
	account *openFile // at start, without handles. Never changed
	files   *remote.Files

	objects atomic.Pointer[[]object]
	proven  atomic.Pointer[openFile] // the account of what lies before start, once that is on the disk and was read. Never changed
}

// begin gives an account at start that can go on.
func (h *head) begin() *openFile {
	of := h.account.clone()
	of.head = h
	return of
}

// whole gives an account at start of a file that is all on the disk; nil while it is not.
func (h *head) whole() *openFile {
	proven := h.proven.Load()
	if proven == nil {
		return nil
	}
	return proven.clone()
}

// clone gives an account that can go on while of stays as it is. It has no handles.
func (of *openFile) clone() *openFile {
	c := *of
	c.data, c.idx = nil, nil
	c.added, c.block = of.added.Clone(), of.block.Clone()
	c.starts, c.index = slices.Clone(of.starts), slices.Clone(of.index)
	return &c
}

// open gives the whole file: what is not on the disk yet comes from the bucket.
func (h *head) open(local localFile) (openHandle, error) {
	if h.proven.Load() != nil {
		return local, nil
	}
	objects, err := openObjects(h.files, *h.objects.Load())
	if err != nil {
		return nil, errors.Join(err, local.Close())
	}
	return &headFile{head: h, local: local, objects: objects}, nil
}

// headFile reads the open file while its beginning is being fetched, and after.
type headFile struct {
	head    *head
	local   localFile
	objects *objectsHandle
}

func (f *headFile) here(off int64) bool { return off >= f.head.start || f.head.proven.Load() != nil }

func (f *headFile) ReadAt(p []byte, off int64) (int, error) {
	if f.here(off) {
		return f.local.ReadAt(p, off)
	}
	before := p[:min(int64(len(p)), f.head.start-off)]
	n, err := f.objects.ReadAt(before, off)
	switch {
	case f.here(off): // meanwhile: the objects may be gone, as nobody needs them any more
		return f.local.ReadAt(p, off)
	case err != nil && err != io.EOF:
		return n, err
	case n < len(before):
		return n, io.EOF
	case n == len(p):
		return n, nil
	}
	m, err := f.local.ReadAt(p[n:], off+int64(n))
	return n + m, err
}

func (f *headFile) source(off int64) (string, bool) {
	if f.here(off) {
		return f.local.source(off)
	}
	return f.objects.source(off)
}

func (f *headFile) forget(off, n int64) { f.objects.forget(off, n) }

func (f *headFile) Close() error { return errors.Join(f.objects.Close(), f.local.Close()) }
