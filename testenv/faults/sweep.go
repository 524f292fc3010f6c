package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/binlogproxy/binlogproxy/testenv/forgetfs"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// Fault is what is done to the n-th operation of some kinds.
type Fault struct {
	name  string
	kinds []memfs.Kind
	memfs.Fault
	on bool // and to all of them behind it, until the disk is mended
}

var syncs = []memfs.Kind{memfs.Sync, memfs.SyncDir}

// Faults are all that is done to a disk by Sweep.
var Faults = []Fault{
	{"a failed fsync", syncs, memfs.Fault{Err: syscall.EIO}, false},
	{"fsyncs that fail from one on", syncs, memfs.Fault{Err: syscall.EIO}, true},
	{"a failed write", []memfs.Kind{memfs.Write}, memfs.Fault{Err: syscall.EIO}, false},
	{"a short write", []memfs.Kind{memfs.Write}, memfs.Fault{Short: true, Written: 100}, false},
	{"a write for which there is no space", []memfs.Kind{memfs.Write}, memfs.Fault{Err: syscall.ENOSPC}, false},
	{"an fsync for which there is no space", syncs, memfs.Fault{Err: syscall.ENOSPC}, false},
	{"a failed change of a directory or a size", []memfs.Kind{memfs.Create, memfs.Mkdir, memfs.Rename, memfs.Remove, memfs.Truncate}, memfs.Fault{Err: syscall.EIO}, false},
}

// Sweep goes through a scenario again and again, each time with another operation of
// the disk failing: every step-th, for each of the kinds of Faults. Whatever fails, what was
// acknowledged survives the power cut that follows; the daemon goes on by itself, or
// stops as documented and goes on when the disk is sound again.
func Sweep(ctx context.Context, o Options, kinds []Fault, step int) error {
	mount := filepath.Join(o.Dir, "sweep")
	if err := os.Mkdir(mount, 0o700); err != nil {
		return err
	}
	disk, err := forgetfs.Mount(mount, memfs.New())
	if err != nil {
		return err
	}
	defer func() { _ = disk.Unmount() }()
	for _, f := range kinds {
		runs, exits, stops := 0, 0, 0
		for n := 1 + int(o.Seed%uint64(step)); ; n += step {
			if err := disk.Replace(memfs.New()); err != nil {
				return err
			}
			s, hit, err := sweepOnce(ctx, o, disk, f, n)
			if err != nil {
				return fmt.Errorf("%s, number %d: %w", f.name, n, err)
			}
			if !hit {
				break
			}
			runs, exits, stops = runs+1, exits+s.exits, stops+s.stops
		}
		o.Say("%s: %d runs, in %d the daemon ended with 1, in %d the source stopped with 1, in the others it went on by itself", f.name, runs, exits, stops)
	}
	return nil
}

// sweepOnce goes through the scenario while the n-th operation fails. hit is false
// where there were fewer.
func sweepOnce(ctx context.Context, o Options, disk *forgetfs.Disk, f Fault, n int) (s *scenario, hit bool, err error) {
	daemon, err := o.newDaemon(filepath.Join(o.Dir, "sweep", dataDir), o.Primary.Addr())
	if err != nil {
		return nil, false, err
	}
	defer func() {
		if err = errors.Join(err, daemon.Close()); err != nil {
			err = fmt.Errorf("%w\n%s", err, daemon.Tail())
		}
	}()
	var i injection
	disk.FS().SetInjector(i.inject(f, n))
	s = &scenario{Options: &o, daemon: daemon, claims: newClaims(), full: f.Err == syscall.ENOSPC}
	s.mend = func() error {
		disk.FS().SetInjector(nil)
		if err := disk.Cut(0); err != nil {
			return err
		}
		return s.heldOn(disk.FS())
	}
	if err := s.pass(ctx); err != nil {
		return s, i.hit, fmt.Errorf("%s: %w", i.op, err)
	}
	if err := disk.Cut(0); err != nil {
		return s, i.hit, err
	}
	return s, i.hit, errors.Join(s.heldOn(disk.FS()), s.equal(ctx, disk.FS()))
}

// injection is the state of an injector.
type injection struct {
	mu    sync.Mutex
	count int
	hit   bool
	op    memfs.Op // the first that failed
}

func (i *injection) inject(f Fault, n int) func(memfs.Op) memfs.Fault {
	return func(op memfs.Op) memfs.Fault {
		if !slices.Contains(f.kinds, op.Kind) {
			return memfs.Fault{}
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.count++; i.count < n || i.count > n && !f.on {
			return memfs.Fault{}
		}
		if !i.hit {
			i.hit, i.op = true, op
		}
		return f.Fault
	}
}

func (s *scenario) heldOn(fsys *memfs.FS) error {
	dir, err := timelineDir(fsys)
	if err != nil {
		return err
	}
	return s.claims.heldOn(fsys.ReadFile, dir)
}

// equal compares the files on a disk with the primary's.
func (s *scenario) equal(ctx context.Context, fsys *memfs.FS) error {
	dir, err := timelineDir(fsys)
	if err != nil {
		return err
	}
	copied := filepath.Join(s.Dir, "copy")
	if err := export(fsys, dir, copied); err != nil {
		return err
	}
	return errors.Join(compareFiles(ctx, *s.Options, copied), os.RemoveAll(copied))
}
