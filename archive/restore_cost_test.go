package archive_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
	"github.com/binlogproxy/binlogproxy/testenv/memstore"
)

// longAgo lists files before those of the history, so that there are n in all. They are
// not there: nobody reads them.
func (u *undisturbed) longAgo(n int) []catalog.Manifest {
	before, manifests := "", make([]catalog.Manifest, n-len(u.sealed), n)
	for i := range manifests {
		manifests[i] = catalog.Manifest{
			Seq: uint64(i) + 1, Epoch: 1, Name: fmt.Sprintf("old.%06d", i+1), Size: 1000, GTIDsBefore: &before,
			ServerVersion: "8.4.0", Checksum: "CRC32", IndexSize: 100, ETag: "gone",
		}
	}
	for _, m := range u.sealed {
		m.Seq, m.Epoch = uint64(len(manifests))+1, 1
		manifests = append(manifests, m)
	}
	return manifests
}

// fillLong makes a bucket in which the history's sealed files are the last of n.
func (u *undisturbed) fillLong(t testing.TB, s store.Store, n int) {
	t.Helper()
	b, ctx := bucket.New(s, "main", bucket.Options{}), t.Context()
	lease, err := b.Acquire(ctx, testHolder, time.Hour)
	must(t, err)
	w, _, err := b.TakeOver(ctx, lease)
	must(t, err)
	must(t, w.Begin(ctx, u.source))
	put := func(key string, body []byte) string {
		object, err := s.Put(ctx, key, body, store.PutOptions{If: store.IfAbsent()})
		must(t, err)
		return object.ETag
	}
	manifests, timeline := u.longAgo(n), u.source.Timelines[0]
	for i, m := range manifests[n-len(u.sealed):] {
		index, err := u.fsys.ReadFile(u.dir + "/" + m.Name + ".idx")
		must(t, err)
		manifests[m.Seq-1].ETag = put(b.FileKey(timeline, m.Name), u.h.files[i].bytes)
		put(b.IndexKey(timeline, m.Name), index)
	}
	segments := n / 1000
	for i, part := range slices.Collect(slices.Chunk(manifests, 1000)) {
		list := catalog.List{Timeline: timeline.Number, First: uint64(i*1000) + 1, Manifests: part}
		key := b.SegmentKey(timeline, list.First, list.Next()-1)
		if i == segments {
			key, list.Epoch = b.CatalogKey(timeline), 1
		}
		body, err := list.Encode()
		must(t, err)
		put(key, body)
	}
	must(t, lease.Release(ctx))
}

// Making an empty directory from the bucket, taking it over and the first read together ask
// for each segment of the catalog once.
func TestAStartFromABucketOfManyFilesCostsFewRequests(t *testing.T) {
	const files, most = 10_500, 32 // ten full segments, and what is open
	h := smallHistory(50, replication.ChecksumCRC32, 3, 20)
	u, s := receiveUndisturbed(t, h), faultstore.New(memStore(), 1)
	u.fillLong(t, s, files)
	s.ResetCounts()
	b := bucket.New(s, "main", bucket.Options{})
	l := mustOpen(t, restoreOptions(t, memfs.New(), b, remoteFiles(t, s)))
	must(t, l.Bind(testIdentity))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	taken := make(chan struct{})
	tell := sync.OnceFunc(func() { close(taken) })
	var wait sync.WaitGroup
	wait.Go(func() {
		err := l.Upload(ctx, archive.UploadOptions{
			Bucket: b.Proved(memstore.Capabilities), Holder: testHolder, OnLease: func(string) { tell() },
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-taken
	r, err := l.OpenAt(replication.Position{File: h.files[0].name, Offset: replication.FirstEventOffset})
	must(t, err)
	defer r.Close()
	c, err := r.Next()
	if err != nil || c.File != h.files[0].name {
		t.Fatalf("%+v, %v", c, err)
	}
	counts, n := s.Counts(), int64(0)
	for _, count := range counts {
		n += count.Requests
	}
	if n > most {
		t.Errorf("%d requests, at most %d are needed: %+v", n, most, counts)
	}
	if held := l.Files(); len(held) != files || held[0].Name != "old.000001" {
		t.Errorf("%d files, the first is %s", len(held), held[0].Name)
	}
	cancel()
	wait.Wait()
}
