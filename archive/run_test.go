package archive_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// Each write of what came in runs ends with an event, also where the buffer was full.
func TestCommitsOfRunsEndWithEvents(t *testing.T) {
	h := smallHistory(7, replication.ChecksumCRC32, 1, 300)
	f := h.file()
	ends := map[int64]bool{int64(len(f.bytes)): true}
	for _, start := range f.starts {
		ends[int64(start)] = true
	}
	var mu sync.Mutex
	writes := 0
	fsys := memfs.New()
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.Kind == memfs.Write && strings.HasSuffix(op.Name, "/"+f.name) && op.Offset > 0 {
			mu.Lock()
			defer mu.Unlock()
			writes++
			if end := op.Offset + int64(op.Size); !ends[end] {
				t.Errorf("a write of %d bytes at %d ends within an event", op.Size, op.Offset)
			}
		}
		return memfs.Fault{}
	})
	l := mustOpen(t, memOptions(fsys))
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, runs: 1000}.run(l))
	must(t, l.Close())
	must(t, compareDisk(fsys, l, h))
	mu.Lock()
	defer mu.Unlock()
	if full := len(f.bytes) / memOptions(nil).BufferSize; writes < full {
		t.Errorf("%d writes of a file with %d buffers", writes, full)
	}
}
