package forgetfs

import (
	"context"
	"path"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// directory is one directory. The library's tree tells its name.
type directory struct {
	fs.Inode
	fs *memfs.FS
}

var (
	_ fs.NodeLookuper  = (*directory)(nil)
	_ fs.NodeGetattrer = (*directory)(nil)
	_ fs.NodeCreater   = (*directory)(nil)
	_ fs.NodeMkdirer   = (*directory)(nil)
	_ fs.NodeRenamer   = (*directory)(nil)
	_ fs.NodeUnlinker  = (*directory)(nil)
	_ fs.NodeRmdirer   = (*directory)(nil)
	_ fs.NodeReaddirer = (*directory)(nil)
	_ fs.NodeFsyncer   = (*directory)(nil)
	_ fs.NodeStatfser  = (*directory)(nil)
)

// pathOf is the name of a node's entry, or of the node itself, in the memfs.FS.
func pathOf(n *fs.Inode, entry string) string { return path.Join("/", n.Path(nil), entry) }

const directoryMode = syscall.S_IFDIR | 0o700

func (d *directory) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	p := pathOf(&d.Inode, name)
	known := d.GetChild(name) // a file that is open, or locked, stays the same one
	if _, err := d.fs.ReadDir(p); err == nil {
		out.Mode = directoryMode
		if known != nil {
			return known, 0
		}
		return d.NewInode(ctx, &directory{fs: d.fs}, fs.StableAttr{Mode: syscall.S_IFDIR}), 0
	}
	size, err := d.fs.Stat(p)
	if err != nil {
		return nil, errno(err)
	}
	setFile(&out.Attr, size)
	if known != nil {
		return known, 0
	}
	return d.NewInode(ctx, &file{fs: d.fs}, fs.StableAttr{Mode: syscall.S_IFREG}), 0
}

func (d *directory) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = directoryMode
	return 0
}

func (d *directory) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f, err := d.fs.OpenFile(pathOf(&d.Inode, name), archive.Create)
	if err != nil {
		return nil, nil, 0, errno(err)
	}
	setFile(&out.Attr, 0)
	return d.NewInode(ctx, &file{fs: d.fs}, fs.StableAttr{Mode: syscall.S_IFREG}), &handle{f}, 0, 0
}

func (d *directory) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err := d.fs.Mkdir(pathOf(&d.Inode, name)); err != nil {
		return nil, errno(err)
	}
	out.Mode = directoryMode
	return d.NewInode(ctx, &directory{fs: d.fs}, fs.StableAttr{Mode: syscall.S_IFDIR}), 0
}

func (d *directory) Rename(_ context.Context, name string, parent fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	return errno(d.fs.Rename(pathOf(&d.Inode, name), pathOf(parent.EmbeddedInode(), newName)))
}

func (d *directory) Unlink(_ context.Context, name string) syscall.Errno {
	return errno(d.fs.Remove(pathOf(&d.Inode, name)))
}

// Rmdir is not what a memfs.FS can do.
func (d *directory) Rmdir(context.Context, string) syscall.Errno { return syscall.ENOTSUP }

func (d *directory) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	p := pathOf(&d.Inode, "")
	names, err := d.fs.ReadDir(p)
	if err != nil {
		return nil, errno(err)
	}
	list := make([]fuse.DirEntry, len(names))
	for i, name := range names {
		list[i] = fuse.DirEntry{Name: name, Mode: syscall.S_IFREG}
		if _, err := d.fs.Stat(path.Join(p, name)); err != nil {
			list[i].Mode = syscall.S_IFDIR
		}
	}
	return fs.NewListDirStream(list), 0
}

// Fsync makes the directory's entries durable.
func (d *directory) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return errno(d.fs.SyncDir(pathOf(&d.Inode, "")))
}

// Statfs says that there is room: what is full is told by writes.
func (d *directory) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const block, blocks = 4096, 1 << 28
	out.Bsize, out.Blocks, out.Bfree, out.Bavail, out.NameLen = block, blocks, blocks, blocks, 255
	return 0
}
