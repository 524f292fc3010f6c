package forgetfs

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// file is one file, open or not.
type file struct {
	fs.Inode
	fs *memfs.FS
}

// handle is an open file. It outlives the file's name.
type handle struct{ file archive.Handle }

var (
	_ fs.NodeGetattrer = (*file)(nil)
	_ fs.NodeSetattrer = (*file)(nil)
	_ fs.NodeOpener    = (*file)(nil)
	_ fs.FileReader    = (*handle)(nil)
	_ fs.FileWriter    = (*handle)(nil)
	_ fs.FileFsyncer   = (*handle)(nil)
	_ fs.FileReleaser  = (*handle)(nil)
)

func setFile(attr *fuse.Attr, size int64) {
	attr.Mode, attr.Size, attr.Nlink = syscall.S_IFREG|0o600, uint64(size), 1
}

func (n *file) Getattr(_ context.Context, open fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	size, err := n.size(open)
	setFile(&out.Attr, size)
	return errno(err)
}

func (n *file) size(open fs.FileHandle) (int64, error) {
	if h, ok := open.(*handle); ok {
		return h.file.Size()
	}
	return n.fs.Stat(pathOf(&n.Inode, ""))
}

// Setattr changes the size. Mode, owner and times are not kept.
func (n *file) Setattr(ctx context.Context, open fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		if err := n.truncate(open, int64(size)); err != nil {
			return errno(err)
		}
	}
	return n.Getattr(ctx, open, out)
}

func (n *file) truncate(open fs.FileHandle, size int64) error {
	if h, ok := open.(*handle); ok {
		return h.file.Truncate(size)
	}
	f, err := n.fs.OpenFile(pathOf(&n.Inode, ""), archive.ReadWrite)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func (n *file) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	mode := archive.ReadWrite
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		mode = archive.ReadOnly
	}
	f, err := n.fs.OpenFile(pathOf(&n.Inode, ""), mode)
	if err == nil && flags&syscall.O_TRUNC != 0 {
		err = f.Truncate(0)
	}
	if err != nil {
		return nil, 0, errno(err)
	}
	return &handle{f}, 0, 0
}

func (h *handle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.file.ReadAt(dest, off)
	if err == io.EOF {
		err = nil
	}
	return fuse.ReadResultData(dest[:n]), errno(err)
}

// Write tells of an error only where nothing was written, as the kernel does.
func (h *handle) Write(_ context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	n, err := h.file.WriteAt(data, off)
	if n > 0 {
		return uint32(n), 0
	}
	return 0, errno(err)
}

func (h *handle) Fsync(context.Context, uint32) syscall.Errno { return errno(h.file.Sync()) }

func (h *handle) Release(context.Context) syscall.Errno { return errno(h.file.Close()) }

// errno is what the kernel is told.
func errno(err error) syscall.Errno {
	var code syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return code
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, iofs.ErrExist):
		return syscall.EEXIST
	}
	return syscall.EIO
}
