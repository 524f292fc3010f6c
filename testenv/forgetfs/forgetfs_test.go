package forgetfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/testenv/forgetfs"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// mount gives a disk and its path. Where FUSE is missing the test is skipped.
func mount(t *testing.T) (*forgetfs.Disk, string) {
	t.Helper()
	dir := t.TempDir()
	d, err := forgetfs.Mount(dir, memfs.New())
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := d.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return d, dir
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// write makes a file, or replaces its beginning.
func write(t *testing.T, name string, content []byte, sync bool) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	_, err = f.WriteAt(content, 0)
	must(t, err)
	if sync {
		must(t, f.Sync())
	}
	must(t, f.Close())
}

func TestACutForgetsWhatWasNotSynced(t *testing.T) {
	d, dir := mount(t)
	must(t, archive.MakeDir(archive.OS, filepath.Join(dir, "kept")))
	must(t, os.Mkdir(filepath.Join(dir, "lost"), 0o700))
	old, later := bytes.Repeat([]byte("old"), 100_000), bytes.Repeat([]byte("new"), 100_000)
	write(t, filepath.Join(dir, "kept", "data"), old, true)
	write(t, filepath.Join(dir, "kept", "gone"), old, true)
	must(t, archive.OS.SyncDir(filepath.Join(dir, "kept")))
	write(t, filepath.Join(dir, "kept", "data"), later, false)
	write(t, filepath.Join(dir, "kept", "entry"), old, true)
	must(t, os.Rename(filepath.Join(dir, "kept", "entry"), filepath.Join(dir, "kept", "gone")))
	must(t, os.Truncate(filepath.Join(dir, "kept", "data"), 10))
	if b, err := os.ReadFile(filepath.Join(dir, "kept", "data")); err != nil || string(b) != string(later[:10]) {
		t.Fatalf("before the cut: %q, %v", b, err)
	}
	must(t, d.Cut(0))
	for name, want := range map[string][]byte{"data": old, "gone": old} {
		if b, err := os.ReadFile(filepath.Join(dir, "kept", name)); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "kept"))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "lost")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that was not synced: %v", err)
	}
}

func TestFilesBehaveAsOnADisk(t *testing.T) {
	d, dir := mount(t)
	name := filepath.Join(dir, "f")
	write(t, name, []byte("123456"), false)
	if f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); !errors.Is(err, fs.ErrExist) {
		t.Error(f, err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_TRUNC, 0o600)
	must(t, err)
	must(t, os.Remove(name))
	if _, err := f.WriteAt([]byte("x"), 2); err != nil {
		t.Error("write to an open file without a name:", err)
	}
	must(t, f.Close())
	if _, err := d.FS().ReadFile("/f"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	lock, err := archive.OS.Lock(name)
	must(t, err)
	if _, err := archive.OS.Lock(name); !errors.Is(err, archive.ErrLocked) {
		t.Error("a second lock:", err)
	}
	must(t, lock.Close())
}

func TestOperationsFailOnDemand(t *testing.T) {
	d, dir := mount(t)
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	for kind, act := range map[memfs.Kind]func() error{
		memfs.Write:    func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		memfs.Sync:     f.Sync,
		memfs.Truncate: func() error { return f.Truncate(5) },
		memfs.SyncDir:  func() error { return archive.OS.SyncDir(dir) },
		memfs.Create:   func() error { return os.WriteFile(filepath.Join(dir, "g"), nil, 0o600) },
		memfs.Mkdir:    func() error { return os.Mkdir(filepath.Join(dir, "d"), 0o700) },
		memfs.Rename:   func() error { return os.Rename(f.Name(), f.Name()+"2") },
		memfs.Remove:   func() error { return os.Remove(f.Name()) },
	} {
		d.FS().SetInjector(func(op memfs.Op) memfs.Fault {
			if op.Kind == kind {
				return memfs.Fault{Err: syscall.EDQUOT}
			}
			return memfs.Fault{}
		})
		if err := act(); !errors.Is(err, syscall.EDQUOT) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	d.FS().SetInjector(nil)
	d.FS().SetCapacity(1 << 20)
	if _, err := f.WriteAt(make([]byte, 2<<20), 0); !errors.Is(err, syscall.ENOSPC) || d.FS().Used() != 1<<20 {
		t.Errorf("%d bytes on a full disk, %v", d.FS().Used(), err)
	}
}

func TestAFrozenDiskAnswersNothing(t *testing.T) {
	d, dir := mount(t)
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	thaw := d.Freeze()
	answer := make(chan error)
	go func() {
		_, err := f.WriteAt([]byte("lost"), 0)
		answer <- err
	}()
	// An operation that does not wait would have been answered before this one, which
	// the process makes after it has asked.
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	select {
	case err := <-answer:
		t.Error("answered", err)
	default:
	}
	thaw()
	if err := <-answer; !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	must(t, f.Close())
	if b, err := d.FS().ReadFile("/f"); err != nil || strings.Contains(string(b), "lost") {
		t.Errorf("%q, %v", b, err)
	}
}
