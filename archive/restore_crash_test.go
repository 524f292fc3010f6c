package archive_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// A process that makes its directory from the bucket may die at any operation, and the
// machine with it: the next one has all that was published, and ends with the same files.
func TestARestoreMayDieAtAnyOperation(t *testing.T) {
	for name, c := range map[string]content{
		"fetched in the background": {sealed: 1, end: -1},
		"fetched at once":           {sealed: 1, end: 900},
		"two files with pieces":     {sealed: 0, complete: 1, end: 700},
		"nothing but sealed files":  {sealed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := smallHistory(13, replication.ChecksumCRC32, 3, 20)
			background := c.end < 0
			if background {
				c.end = int64(len(h.files[1].bytes)) - 1000
			}
			c.rnd = rand.New(rand.NewPCG(11, 9))
			sweepRestore(t, receiveUndisturbed(t, h), c, background)
		})
	}
}

func sweepRestore(t *testing.T, u *undisturbed, c content, background bool) {
	s := memStore()
	b, files := u.fill(t, s, c), remoteFiles(t, s)
	g := &gate{Store: s}
	fsys := memfs.New()
	var live atomic.Pointer[archive.Log]
	var failure error
	var once sync.Once
	clones := 0
	var one sync.Mutex // of the operations that are checked
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		one.Lock()
		defer one.Unlock()
		if op.Kind == memfs.Rename && strings.Contains(op.Name, "source.json") {
			g.close()
		}
		p := promiseOf(live.Load())
		for _, seed := range []uint64{0, 1, uint64(op.N)*1_000_003 + 2} {
			clones++
			opts := restoreOptions(t, fsys.CrashClone(seed), b, files)
			opts.Logger = nil
			if err := u.checkRestored(opts, p, c); err != nil {
				once.Do(func() { failure = fmt.Errorf("crash with seed %d before %v: %w", seed, op, err) })
			}
		}
		return memfs.Fault{}
	})
	opts := restoreOptions(t, fsys, bucket.New(g, "main", bucket.Options{}), files)
	l := mustOpen(t, opts)
	open := c.sealed + c.complete // files up to the open one
	if c.end > 0 {
		open++
	}
	live.Store(l)
	must(t, l.Bind(testIdentity))
	must(t, feedAll(t.Context(), l, fed(u.h, open))) // before the rest of the open file is fetched
	marker, err := fsys.ReadFile(memDir + "/RESTORING")
	must(t, err)
	if missing := bytes.Contains(marker, []byte(`"fetched":false`)); missing != background {
		t.Errorf("something is still to be fetched: %v", missing)
	}
	g.open()
	must(t, feedAll(t.Context(), l, u.h))
	must(t, l.Close())
	fsys.SetInjector(nil)
	must(t, failure)
	t.Logf("%d operations, %d crashes", fsys.Ops(), clones)
}

// checkRestored opens what a crash has left, and goes on to the end of the history.
func (u *undisturbed) checkRestored(opts archive.Options, p promise, c content) error {
	l, err := archive.Open(context.Background(), opts)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer l.Close()
	now := promiseOf(l)
	if err := l.State().Stopped; err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	if u.h.before(now.published, p.published) || !now.executed.ContainsSet(p.executed) {
		return fmt.Errorf("published %s of %s, now %s of %s", p.published, p.executed, now.published, now.executed)
	}
	if at, err := readBack(l, u.h); err != nil || at != now.published {
		return fmt.Errorf("read up to %s of %s: %w", at, now.published, err)
	}
	if err := l.Bind(testIdentity); err != nil {
		return err
	}
	if err := feedAll(context.Background(), l, u.h); err != nil {
		return fmt.Errorf("go on: %w", err)
	}
	if err := l.Close(); err != nil {
		return err
	}
	from := c.sealed
	if c.end == 0 {
		from--
	}
	return u.checkFinished(opts.FS.(*memfs.FS), from)
}
