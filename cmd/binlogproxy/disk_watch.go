package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"
)

// diskWatch looks now and then at what is asked of a source's disk for status and
// metrics, which must not wait for a disk that hangs.
type diskWatch struct {
	dir    string
	logger *slog.Logger
	seen   atomic.Pointer[diskFacts]
}

type diskFacts struct {
	free     *int64        // bytes for those who are not root; nil = unknown
	verified *Verification // nil = never
}

const diskWatchEvery = 10 * time.Second

// run looks until ctx ends.
func (w *diskWatch) run(ctx context.Context) {
	ticker := time.NewTicker(diskWatchEvery)
	defer ticker.Stop()
	told := ""
	for {
		err := w.look()
		if err == nil {
			told = ""
		} else if told != err.Error() {
			told = err.Error()
			w.logger.Warn("what the last verification found cannot be read", "file", verifiedFile(w.dir), "err", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *diskWatch) look() error {
	var facts diskFacts
	var disk syscall.Statfs_t
	if err := syscall.Statfs(w.dir, &disk); err == nil {
		free := int64(disk.Bavail) * int64(disk.Bsize)
		facts.free = &free
	}
	var err error
	facts.verified, err = lastVerification(w.dir)
	w.seen.Store(&facts)
	return err
}

func (w *diskWatch) fill(st *SourceStatus) {
	if seen := w.seen.Load(); seen != nil {
		st.DiskFree, st.Verified = seen.free, seen.verified
	}
}
