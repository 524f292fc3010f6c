package uploadcost

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
	"github.com/binlogproxy/binlogproxy/testenv/memstore"
)

// Options say what is counted. All are needed.
type Options struct {
	Dir      string        // an empty directory
	Rate     int64         // bytes a second that the source writes
	File     int64         // bytes of each of its files, at least
	Files    int           // that it completes
	Interval time.Duration // of pieces
	Lease    time.Duration
}

// Cost is what was asked of the bucket until the last file was sealed there, the taking
// and giving back of the lease included.
type Cost struct {
	Binlog  int64         // bytes that the source has written
	Elapsed time.Duration // in which it has done so
	Counts  map[faultstore.Op]faultstore.Count
	Leases  int64 // of the Puts, those of the lease
	Pieces  int64 // and those of pieces
}

// Uploaded is how many bytes were sent.
func (c *Cost) Uploaded() int64 {
	return c.Counts[faultstore.Put].Bytes + c.Counts[faultstore.PutPart].Bytes
}

// Requests is how many there were of all kinds.
func (c *Cost) Requests() (n int64) {
	for _, count := range c.Counts {
		n += count.Requests
	}
	return n
}

// Count lets the source write and the log be copied.
func Count(ctx context.Context, o Options) (*Cost, error) {
	counted := &counter{Store: faultstore.New(memstore.New(1<<20), 1)}
	s := &simulation{Options: o, clock: &clock{now: start}}
	b := bucket.New(counted, "main", bucket.Options{Now: s.clock.Now, Capabilities: memstore.Capabilities})
	var err error
	if s.log, err = archive.Open(ctx, archive.Options{Dir: filepath.Join(o.Dir, "log"), FS: unsynced{archive.OS}, Bucket: b}); err != nil {
		return nil, err
	}
	ctx, end := context.WithCancelCause(ctx)
	var upload sync.WaitGroup
	upload.Go(func() {
		end(s.log.Upload(ctx, archive.UploadOptions{
			Bucket: b, Holder: bucket.Holder{ID: sourceUUID, Name: "uploadcost"}, Interval: o.Interval, LeaseTTL: o.Lease, Clock: s.clock,
		}))
	})
	err = s.run(ctx)
	end(nil)
	upload.Wait()
	pieces := s.log.UploadStatus().Pieces
	if err := errors.Join(err, s.log.Close()); err != nil {
		return nil, err
	}
	return &Cost{Binlog: s.written, Elapsed: s.clock.Now().Sub(start), Counts: counted.Counts(), Leases: counted.leases.Load(), Pieces: pieces}, nil
}

// start is when the source begins to write.
var start = time.Unix(1_700_000_000, 0)

// counter counts the writes of leases apart.
type counter struct {
	*faultstore.Store
	leases atomic.Int64
}

func (c *counter) Put(ctx context.Context, key string, body []byte, opts store.PutOptions) (store.Object, error) {
	if path.Base(key) == "lease.json" {
		c.leases.Add(1)
	}
	return c.Store.Put(ctx, key, body, opts)
}

// unsynced is a file system whose power never fails: what lasts is not what is counted.
type unsynced struct{ archive.FS }

func (u unsynced) SyncDir(string) error { return nil }

func (u unsynced) OpenFile(name string, mode archive.OpenMode) (archive.Handle, error) {
	h, err := u.FS.OpenFile(name, mode)
	if err != nil {
		return nil, err
	}
	return unsyncedHandle{h}, nil
}

type unsyncedHandle struct{ archive.Handle }

func (unsyncedHandle) Sync() error { return nil }
