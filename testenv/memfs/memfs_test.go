package memfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

func create(t *testing.T, fsys *memfs.FS, name string, content []byte) archive.Handle {
	t.Helper()
	f, err := fsys.OpenFile(name, archive.Create)
	if err == nil {
		_, err = f.WriteAt(content, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A crash keeps what was synced, and of the rest what the seed says: bytes and
// entries each on their own.
func TestCrashKeepsWhatWasSynced(t *testing.T) {
	fsys := memfs.New()
	synced, later := bytes.Repeat([]byte{1}, 3000), bytes.Repeat([]byte{2}, 5000)
	f := create(t, fsys, "/a", synced)
	if err := errors.Join(f.Sync(), fsys.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(later, 0); err != nil {
		t.Fatal(err)
	}
	if g := create(t, fsys, "/b", synced); g.Sync() != nil {
		t.Fatal("sync")
	}
	mixed, lostEntry := 0, 0
	for seed := range uint64(200) {
		crashed := fsys.CrashClone(seed)
		a, err := crashed.ReadFile("/a")
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(a); at += 512 {
			s := a[at:min(at+512, len(a))]
			if c := s[0]; at+512 <= 2560 && !bytes.Equal(s, bytes.Repeat([]byte{c}, len(s))) {
				t.Fatalf("seed %d: the sector at %d is torn", seed, at)
			}
		}
		if bytes.Contains(a, []byte{1}) && bytes.Contains(a, []byte{2}) {
			mixed++
		}
		if _, err := crashed.ReadFile("/b"); errors.Is(err, fs.ErrNotExist) {
			lostEntry++
		}
		if seed == 0 && !bytes.Equal(a, synced) || seed == 1 && !bytes.Equal(a, later) {
			t.Fatalf("seed %d: %d bytes", seed, len(a))
		}
	}
	if mixed < 50 || lostEntry < 50 || lostEntry > 150 {
		t.Errorf("of 200 crashes %d left a mixture, %d lost an entry", mixed, lostEntry)
	}
}

// After a failed fsync the bytes can be read, and the next fsync succeeds without
// making them durable.
func TestFailedSyncDropsPages(t *testing.T) {
	fsys := memfs.New()
	f := create(t, fsys, "/a", []byte("old"))
	if err := errors.Join(f.Sync(), fsys.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	fsys.SetInjector(func(op memfs.Op) memfs.Fault { return memfs.Fault{Err: syscall.EIO, Written: 3} })
	if n, err := f.WriteAt([]byte("newer"), 0); n != 3 || !errors.Is(err, syscall.EIO) {
		t.Fatal(n, err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	fsys.SetInjector(nil)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	now, _ := fsys.Clone().ReadFile("/a")
	crashed, _ := fsys.CrashClone(1).ReadFile("/a")
	if string(now) != "new" || string(crashed) != "old" {
		t.Errorf("now %q, after a crash %q", now, crashed)
	}
}

func TestCapacity(t *testing.T) {
	fsys := memfs.New()
	f := create(t, fsys, "/a", make([]byte, 10))
	fsys.SetCapacity(15)
	if n, err := f.WriteAt(make([]byte, 10), 10); n != 5 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(n, err)
	}
	if n, err := f.WriteAt(make([]byte, 15), 0); n != 15 || err != nil {
		t.Fatal(n, err)
	}
}
