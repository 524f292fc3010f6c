package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
)

// What a data directory should have.
const (
	slowSync = 20 * time.Millisecond // each commit waits for one
	scarce   = 1 << 30               // free bytes
	tooFew   = 64 << 20
)

// examineDisk looks at the data directory.
func examineDisk(dir string) []diagnosis {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []diagnosis{warn("the first start of run makes it", "%s does not exist yet", dir)}
	}
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return []diagnosis{fail("give the daemon's user a directory of its own", "%s cannot be used: %v", dir, err)}
	}
	return []diagnosis{examineOwner(dir, info), examineSync(dir, time.Now), examineSpace(dir)}
}

func examineOwner(dir string, info fs.FileInfo) diagnosis {
	owner, known := info.Sys().(*syscall.Stat_t)
	switch {
	case known && int(owner.Uid) != os.Geteuid():
		return warn("run doctor as the daemon's user, or chown the directory to it", "%s belongs to user %d, and we are %d", dir, owner.Uid, os.Geteuid())
	case info.Mode().Perm()&0o022 != 0:
		return warn("chmod go-w", "%s can be written to by others (mode %o)", dir, info.Mode().Perm())
	}
	return ok("%s is ours", dir)
}

// examineSync measures fsyncs of a small file, as commits do them.
func examineSync(dir string, now func() time.Time) diagnosis {
	times, err := syncTimes(dir, now)
	if err != nil {
		return fail("give the daemon's user the right to write there, or mend the disk", "a file in %s cannot be written and fsynced: %v", dir, err)
	}
	if median := times[len(times)/2]; median > slowSync {
		return warn("each commit waits for it: use a faster disk", "an fsync takes %s", median.Round(time.Microsecond))
	} else {
		return ok("an fsync takes %s", median.Round(time.Microsecond))
	}
}

func syncTimes(dir string, now func() time.Time) (times []time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor-*.tmp")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	for range 9 {
		start := now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		times = append(times, now().Sub(start))
	}
	slices.Sort(times)
	return times, nil
}

func examineSpace(dir string) diagnosis {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return warn("see the system's log", "the free space of %s is not known: %v", dir, err)
	}
	free := int64(s.Bavail) * s.Bsize
	message := fmt.Sprintf("%d MiB of %d MiB are free", free>>20, int64(s.Blocks)*s.Bsize>>20)
	const advice = "receiving stops when the disk is full: make room"
	switch {
	case free < tooFew:
		return fail(advice, "%s", message)
	case free < scarce:
		return warn(advice, "%s", message)
	}
	return ok("%s", message)
}

// examineArchive looks at what is held, as far as that is known without reading it all.
func examineArchive(ctx context.Context, p *patient) diagnosis {
	a, err := archive.OpenReadOnly(ctx, archive.Options{Dir: p.dir})
	if errors.Is(err, fs.ErrNotExist) {
		return ok("nothing is held yet")
	}
	if err == nil {
		err = a.State().Stopped
	}
	if err != nil {
		return fail("see binlogproxy archive verify, and the exit codes in docs/operations.md", "%v", err)
	}
	files := a.Files()
	for _, f := range files {
		if !f.Local && !f.Stored {
			return fail("put a copy from the primary in its place", "%s is missing from %s", f.Name, p.dir)
		}
	}
	if gaps := a.Gaps(); len(gaps) > 0 {
		return warn("binlogproxy archive gaps lists them; what is missing cannot be had any more", "%d files, with %d gaps in their history", len(files), len(gaps))
	}
	return ok("%d files, without a gap", len(files))
}
