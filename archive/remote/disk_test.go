package remote

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// unreliable is a file of a disk that fails now and then, and that gives back other
// bytes than it was given.
type unreliable struct {
	Device
	fails func() bool
}

func (u *unreliable) WriteAt(p []byte, off int64) (int, error) {
	if u.fails() {
		n, _ := u.Device.WriteAt(p[:len(p)/2], off)
		return n, syscall.EIO
	}
	return u.Device.WriteAt(p, off)
}

func (u *unreliable) ReadAt(p []byte, off int64) (int, error) {
	if u.fails() {
		return 0, syscall.EIO
	}
	n, err := u.Device.ReadAt(p, off)
	if n > 0 && u.fails() {
		p[n/2] ^= 1
	}
	return n, err
}

// sized looks at the directory behind each write.
type sized struct {
	Device
	look func()
}

func (s *sized) WriteAt(p []byte, off int64) (int, error) {
	n, err := s.Device.WriteAt(p, off)
	s.look()
	return n, err
}

// sizeOf is what the files of a directory have, and what they take of the disk.
func sizeOf(dir string) (size, taken int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			size += info.Size()
			taken += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
	}
	return size, taken
}

func TestTheCacheNeverExceedsItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 3<<20 + 12345
		dir := t.TempDir()
		var largest atomic.Int64
		c := openCache(t, dir, limit, CacheOptions{Memory: leastMemory, OpenFile: func(path string) (Device, error) {
			d, err := openEmpty(path)
			return &sized{d, func() {
				size, taken := sizeOf(dir)
				largest.Store(max(largest.Load(), size, taken))
			}}, err
		}})
		b := newBucket(t)
		files := newFiles(t, b, c, Options{})
		var readers sync.WaitGroup
		for i := range 8 {
			e, content := b.put(t, fmt.Sprint(i), 2<<20)
			readers.Go(func() {
				for range 2 {
					f, err := tryOpen(files, e)
					if err == nil {
						err = scan(f, content)
						f.Close()
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		readers.Wait()
		synctest.Wait()
		if got := largest.Load(); got > limit || got < limit/2 {
			t.Errorf("%d bytes with a limit of %d", got, limit)
		}
		if s := c.Stats(); s.Evictions == 0 || s.BytesOnDisk > limit {
			t.Errorf("%+v", s)
		}
	})
}

func TestMemoryIsBoundedForAnyNumberOfReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		c := openCache(t, "", 0, CacheOptions{Memory: leastMemory})
		files := newFiles(t, b, c, Options{})
		e, content := b.put(t, "binlog.000001", 6<<20)
		var readers sync.WaitGroup
		for i := range 40 {
			f := open(t, files, e)
			readers.Go(func() {
				p := make([]byte, 100<<10)
				for off := i * 150000; off+len(p) <= len(content); off += len(p) {
					if _, err := f.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, content[off:off+len(p)]) {
						t.Errorf("at %d: %v", off, err)
					}
				}
			})
		}
		readers.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if size := c.heads.pool.made*HeadSize + c.bodies.pool.made*BlockSize; size > leastMemory {
			t.Errorf("%d bytes of buffers", size)
		}
	})
}

func TestADamagedBlockOnDiskIsFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		dir := t.TempDir()
		c := openCache(t, dir, 64<<20, CacheOptions{Memory: leastMemory})
		files := newFiles(t, b, c, Options{})
		e, content := b.put(t, "binlog.000001", 8<<20)
		f := open(t, files, e)
		mustScan(t, f, content)
		synctest.Wait()
		file, err := os.OpenFile(filepath.Join(dir, blocksName), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		for off := int64(1000); off < 8<<20; off += BlockSize {
			if _, err := file.WriteAt([]byte("damage"), off); err != nil {
				t.Fatal(err)
			}
		}
		file.Close()
		mustScan(t, f, content)
		synctest.Wait()
		if s := c.Stats(); s.Damaged < 16 {
			t.Errorf("%d damaged blocks were noticed", s.Damaged)
		}
		b.asked()
		mustScan(t, f, content)
		if s := c.Stats(); len(b.asked()) != 0 || s.DiskErrors != 0 {
			t.Errorf("what was fetched again is not cached: %+v", s)
		}
	})
}

// A disk that fails is left alone for a while; readers notice nothing.
func TestAFailingDiskOnlyMeansNoCaching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		c := openCache(t, t.TempDir(), 64<<20, CacheOptions{Memory: leastMemory, OpenFile: func(path string) (Device, error) {
			d, err := openEmpty(path)
			return &unreliable{d, broken.Load}, err
		}})
		b := newBucket(t)
		e, content := b.put(t, "binlog.000001", 8<<20)
		f := open(t, newFiles(t, b, c, Options{}), e)
		mustScan(t, f, content)
		synctest.Wait()
		if s := c.Stats(); s.DiskErrors == 0 || s.DiskErrors > 4 || s.BytesOnDisk != 0 {
			t.Errorf("%+v", s)
		}
		broken.Store(false)
		time.Sleep(restAfterError)
		mustScan(t, f, content)
		synctest.Wait()
		if s := c.Stats(); s.BytesOnDisk < 4<<20 {
			t.Errorf("the disk works again, and has %d bytes", s.BytesOnDisk)
		}
	})
}

// hung is a file of a disk that does not come back from writing.
type hung struct {
	Device
	open chan struct{}
}

func (h *hung) WriteAt(p []byte, off int64) (int, error) {
	<-h.open
	return h.Device.WriteAt(p, off)
}

func TestADiskThatHangsDoesNotHoldReadersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := openCache(t, t.TempDir(), 64<<20, CacheOptions{Memory: leastMemory, OpenFile: func(path string) (Device, error) {
			d, err := openEmpty(path)
			return &hung{d, release}, err
		}})
		t.Cleanup(func() { close(release) })
		b := newBucket(t)
		e, content := b.put(t, "binlog.000001", 8<<20)
		begin := time.Now()
		mustScan(t, open(t, newFiles(t, b, c, Options{}), e), content)
		if took := time.Since(begin); took > 2*diskPatience {
			t.Errorf("took %s", took)
		}
	})
}

func TestAFullDiskOnlyMeansNoCaching(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be mounted (needs root): %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		c := openCache(t, dir, 64<<20, CacheOptions{Memory: leastMemory})
		e, content := b.put(t, "binlog.000001", 8<<20)
		f := open(t, newFiles(t, b, c, Options{}), e)
		mustScan(t, f, content)
		mustScan(t, f, content)
		synctest.Wait()
		if s := c.Stats(); s.DiskErrors == 0 || s.BytesOnDisk == 0 || s.BytesOnDisk > 2<<20 {
			t.Errorf("%+v", s)
		}
	})
}

// What a killed process has left proves nothing, and is no reason not to start.
func TestWhatAnEarlierProcessLeftIsEmptied(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{headsName, blocksName, lockName, "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := openCache(t, dir, 64<<20, CacheOptions{})
	for _, name := range []string{headsName, blocksName} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() != 0 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	b := newBucket(t)
	e, content := b.put(t, "binlog.000001", 1<<20)
	files := New(b, c, Options{})
	f := open(t, files, e)
	mustScan(t, f, content)
	f.Close()
	files.Close()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 || left[0].Name() != lockName || left[1].Name() != "notes.txt" {
		t.Errorf("left behind Close: %v %v", left, err)
	}
}

func TestTwoProcessesDoNotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 64<<20, CacheOptions{})
	if _, err := OpenCache(dir, 64<<20, CacheOptions{}); err == nil {
		t.Error("a second cache in the same directory")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	openCache(t, dir, 64<<20, CacheOptions{})
}
