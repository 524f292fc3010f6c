package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

// held is a local log in which files are sealed.
type held struct {
	*archive.Archive
	dir       string // of the source
	timeline  catalog.Timeline
	manifests []catalog.Manifest
}

// holdFiles lets a log below dir receive files and seal them.
func holdFiles(ctx context.Context, dir string, files []fakesource.File) (_ *held, err error) {
	uuid, err := replication.ParseUUID(fakesource.RecordedUUID)
	if err != nil {
		return nil, err
	}
	log, err := archive.Open(ctx, archive.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	err = log.Bind(archive.Identity{Flavor: replication.MySQL, ServerUUID: uuid, ServerID: fakesource.RecordedServerID})
	for i := 0; i < len(files) && err == nil; i++ {
		err = errors.Join(log.StartFile(files[i].Name), log.AppendRun(files[i].Bytes[replication.FirstEventOffset:]))
	}
	if err := errors.Join(err, log.StartFile("binlog.999999"), log.Close()); err != nil { // Close waits for the sealing
		return nil, err
	}
	return openHeld(ctx, dir)
}

func openHeld(ctx context.Context, dir string) (*held, error) {
	h := &held{dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, "source.json"))
	if err != nil {
		return nil, err
	}
	source, err := catalog.DecodeSource(text)
	if err != nil {
		return nil, err
	}
	h.timeline = source.Timelines[0]
	if text, err = os.ReadFile(filepath.Join(dir, h.timeline.Dir(), "catalog")); err != nil {
		return nil, err
	}
	records, _, err := catalog.DecodeRecords(text)
	for _, r := range records {
		if r.Sealed != nil {
			h.manifests = append(h.manifests, *r.Sealed)
		}
	}
	if err == nil {
		h.Archive, err = archive.OpenReadOnly(ctx, archive.Options{Dir: dir})
	}
	return h, err
}

// segment is how many files a segment of a bucket's catalog lists.
const segment = 1000

// populate makes a bucket as if all files were sealed there. Only some of them are: those
// are all that can be read.
func (h *held) populate(ctx context.Context, s store.Store, real func(seq uint64) bool) error {
	b := bucket.New(s, "main", bucket.Options{})
	lease, err := b.Acquire(ctx, bucket.Holder{ID: "6b696e64-0000-4000-8000-62656e636802", Name: "bench"}, time.Minute)
	if err != nil {
		return err
	}
	writer, _, err := b.TakeOver(ctx, lease)
	if err != nil {
		return err
	}
	if err := writer.Begin(ctx, catalog.Source{Timelines: []catalog.Timeline{h.timeline}}); err != nil {
		return err
	}
	for i := range h.manifests {
		m := &h.manifests[i]
		m.Epoch, m.ETag = lease.Epoch(), "not-there"
		if !real(m.Seq) {
			continue
		}
		if m.ETag, err = h.put(ctx, s, b.FileKey(h.timeline, m.Name), m.Name); err != nil {
			return err
		}
		if _, err = h.put(ctx, s, b.IndexKey(h.timeline, m.Name), m.Name+".idx"); err != nil {
			return err
		}
	}
	return errors.Join(h.list(ctx, s, b, lease.Epoch()), lease.Release(ctx))
}

// list writes the bucket's catalog.
func (h *held) list(ctx context.Context, s store.Store, b *bucket.Bucket, epoch uint64) error {
	left := h.manifests
	for ; len(left) >= segment; left = left[segment:] {
		l := catalog.List{Timeline: h.timeline.Number, First: left[0].Seq, Manifests: left[:segment]}
		if err := putList(ctx, s, b.SegmentKey(h.timeline, l.First, l.Next()-1), l); err != nil {
			return err
		}
	}
	open := catalog.List{Timeline: h.timeline.Number, First: uint64(len(h.manifests)-len(left)) + 1, Epoch: epoch, Manifests: left}
	return putList(ctx, s, b.CatalogKey(h.timeline), open)
}

func putList(ctx context.Context, s store.Store, key string, l catalog.List) error {
	text, err := l.Encode()
	if err == nil {
		_, err = s.Put(ctx, key, text, store.PutOptions{If: store.IfAbsent()})
	}
	return err
}

// put copies a local file into the bucket.
func (h *held) put(ctx context.Context, s store.Store, key, name string) (etag string, err error) {
	content, err := os.ReadFile(filepath.Join(h.dir, h.timeline.Dir(), name))
	if err != nil {
		return "", err
	}
	object, err := s.Put(ctx, key, content, store.PutOptions{If: store.IfAbsent()})
	return object.ETag, err
}
