package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// inspector looks at a source's part of the bucket without the daemon, again and again:
// what was there once stays as it was, and nothing goes back.
type inspector struct {
	store   store.Store
	bucket  *bucket.Bucket
	source  string
	primary *testenv.MySQL

	compared []catalog.Manifest // whose objects were found equal to the primary's files
	lease    lease
	reach    reach
}

// lease is what is looked at in lease.json.
type lease struct {
	Epoch   uint64 `json:"epoch"`
	Counter uint64 `json:"counter"`
}

// reach says how far the bucket has the source's history.
type reach struct {
	end      replication.Position
	boundary replication.Position // the last place before it where no transaction is open; a new epoch begins there
	epoch    uint64               // of source.json
}

func newInspector(s store.Store, source string, primary *testenv.MySQL) *inspector {
	return &inspector{store: s, bucket: bucket.New(s, source, bucket.Options{}), source: source, primary: primary}
}

// look reads all documents, and the files that it has not read yet.
func (i *inspector) look(ctx context.Context) error {
	if err := i.lookAtLease(ctx); err != nil {
		return err
	}
	doc, err := i.bucket.Source(ctx)
	if err != nil || doc == nil {
		return err // nil: nothing was written yet
	}
	if len(doc.Timelines) != 1 || len(doc.Gaps) > 0 {
		return fmt.Errorf("source.json has %d timelines and %d gaps", len(doc.Timelines), len(doc.Gaps))
	}
	c, err := i.bucket.Catalog(ctx, doc.Timelines[0])
	if err != nil {
		return err
	}
	tail, err := i.bucket.Tail(ctx, c)
	if err != nil {
		return err
	}
	if err := i.lookAtFiles(ctx, tail.Catalog); err != nil {
		return err
	}
	was, now := i.reach, reached(tail)
	if now.epoch < was.epoch || before(now.boundary, was.boundary) || now.epoch == was.epoch && before(now.end, was.end) {
		return fmt.Errorf("the bucket went from %+v back to %+v", was, now)
	}
	i.reach = now
	return nil
}

// lookAtLease makes sure that epochs and renewals only ever go on.
func (i *inspector) lookAtLease(ctx context.Context) error {
	content, err := i.read(ctx, i.source+"/lease.json", "")
	if errors.Is(err, store.ErrNotFound) && i.lease.Epoch == 0 {
		return nil
	}
	var now lease
	if err == nil {
		err = json.Unmarshal(content, &now)
	}
	if err != nil {
		return err
	}
	if was := i.lease; cmp.Or(cmp.Compare(now.Epoch, was.Epoch), cmp.Compare(now.Counter, was.Counter)) < 0 {
		return fmt.Errorf("the lease went from %+v back to %+v", was, now)
	}
	i.lease = now
	return nil
}

// lookAtFiles compares the objects that the catalog lists with what it says of them, and
// with the primary's files.
func (i *inspector) lookAtFiles(ctx context.Context, c *bucket.Catalog) error {
	if len(c.Manifests) < len(i.compared) {
		return fmt.Errorf("the catalog had %d files, and has %d", len(i.compared), len(c.Manifests))
	}
	for n, m := range c.Manifests {
		if n < len(i.compared) {
			if m.Name != i.compared[n].Name || m.ETag != i.compared[n].ETag || m.SHA256 != i.compared[n].SHA256 {
				return fmt.Errorf("manifest %d was %+v, and is %+v", m.Seq, i.compared[n], m)
			}
			continue
		}
		if err := i.compare(ctx, c.Timeline, m); err != nil {
			return fmt.Errorf("%s in the bucket: %w", m.Name, err)
		}
		i.compared = append(i.compared, m)
	}
	return nil
}

// compare reads a file's object, and its index.
func (i *inspector) compare(ctx context.Context, t catalog.Timeline, m catalog.Manifest) error {
	if m.Cut != nil {
		return fmt.Errorf("it is cut at %d: %s", m.Cut.Offset, m.Cut.Reason)
	}
	if _, err := i.bucket.Index(ctx, t, &m); err != nil {
		return err
	}
	ours, err := i.read(ctx, i.bucket.FileKey(t, m.Name), m.ETag)
	if err != nil {
		return err
	}
	sha := sha256.Sum256(ours)
	if int64(len(ours)) != m.Size || crc32c.Of(ours) != uint32(m.CRC32C) || hex.EncodeToString(sha[:]) != m.SHA256 {
		return fmt.Errorf("%d bytes of CRC32C %08x and SHA-256 %x, the manifest is %+v", len(ours), crc32c.Of(ours), sha, m)
	}
	var theirs bytes.Buffer
	if err := i.primary.ReadBinlog(ctx, m.Name, &theirs); err != nil {
		return err
	}
	if !bytes.Equal(ours, theirs.Bytes()) {
		return fmt.Errorf("its %d bytes are not the primary's %d", len(ours), theirs.Len())
	}
	return nil
}

// read reads an object; etag "" = whatever it is.
func (i *inspector) read(ctx context.Context, key, etag string) ([]byte, error) {
	body, err := i.store.Get(ctx, key, store.Range{IfMatch: etag})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(body)
	return content, errors.Join(err, body.Close())
}

func reached(tail *bucket.Tail) (r reach) {
	r.epoch = tail.Source.Epoch
	if last := tail.Catalog.Last(); last != nil {
		r.end = replication.Position{File: last.Name, Offset: last.Size}
		r.boundary = r.end
	}
	for _, chain := range tail.Chains {
		r.end = replication.Position{File: chain.File, Offset: chain.End()}
		if at := chain.Boundary(); at > 0 {
			r.boundary = replication.Position{File: chain.File, Offset: at}
		}
	}
	return r
}

// before compares positions; names of files are of equal length here.
func before(a, b replication.Position) bool {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Offset, b.Offset)) < 0
}
