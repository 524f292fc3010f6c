package archive_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// Flush begins a commit also where the call before it has waited for one: nothing
// else would wake the committer until the mark is due.
func TestFlushBehindAnotherCommitIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(51, replication.ChecksumCRC32) // of files smaller than a buffer
		h.begin()
		h.transaction(50, 50)
		h.rotate()
		h.transaction(50, 50)
		fsys := memfs.New()
		opts := memOptions(fsys)
		opts.MarkEvery = time.Hour
		l := mustOpen(t, opts)
		must(t, l.Bind(testIdentity))
		first, second := h.files[0], h.files[1]
		must(t, l.StartFile(first.name))
		must(t, feeder{}.sendAll(l, first, 4))
		slow := make(chan struct{})
		fsys.SetInjector(func(op memfs.Op) memfs.Fault {
			if op.Kind == memfs.Sync {
				<-slow
			}
			return memfs.Fault{}
		})
		l.Flush()
		synctest.Wait() // the committer is within the fsync
		started := make(chan error, 1)
		go func() { started <- l.StartFile(second.name) }()
		synctest.Wait() // and StartFile waits for it
		close(slow)
		must(t, <-started)
		synctest.Wait() // the committer sleeps
		must(t, feeder{}.sendAll(l, second, 4))
		l.Flush()
		synctest.Wait()
		end := replication.Position{File: second.name, Offset: int64(len(second.bytes))}
		if got := l.State().Published; got != end {
			t.Errorf("published %v, expected %v", got, end)
		}
		must(t, l.Close())
	})
}
