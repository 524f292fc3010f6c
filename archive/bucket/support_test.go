package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/dir"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

const exampleUUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"

var (
	timeline = catalog.Timeline{Number: 1, ID: exampleUUID, Flavor: "mysql", ServerUUID: exampleUUID, ServerID: 7}
	source   = catalog.Source{Timelines: []catalog.Timeline{timeline}}

	// all that a plain directory can do
	capabilities = store.Capabilities{Sealing: store.SealByCopy, BodySums: true, WholeSums: true, ListUploads: true}
)

// clock is a time that moves only when somebody waits.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// newDir is a store in memory, where there is such a directory: nothing here asks
// whether a disk is durable.
func newDir(t testing.TB) store.Store {
	t.Helper()
	path, err := os.MkdirTemp("/dev/shm", "bucket-")
	if err != nil {
		path = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(path) })
	return must[*dir.Dir](t)(dir.Open(path))
}

func newBucket(s store.Store) *Bucket {
	c := newClock()
	return New(s, "main", Options{Now: c.Now, Sleep: c.Sleep, Capabilities: capabilities, PartSize: store.MinPart, Policy: store.Policy{Attempts: 3}})
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// start acquires the lease and takes over, and begins if the bucket is empty.
func start(ctx context.Context, b *Bucket, id string) (*Lease, *Writer, *State, error) {
	l, err := b.Acquire(ctx, Holder{ID: id, Name: "host of " + id}, time.Minute)
	if err != nil {
		return nil, nil, nil, err
	}
	w, state, err := b.TakeOver(ctx, l)
	if err == nil && state.Source == nil {
		err = w.Begin(ctx, source)
	}
	return l, w, state, err
}

// file is a complete file of the source.
type file struct {
	manifest catalog.Manifest
	data     []byte
	index    []byte
}

// newFile makes the bytes of the file with that sequence number, always the same.
func newFile(seq uint64, size int) file {
	r := rand.NewChaCha8([32]byte{byte(seq), byte(seq >> 8)})
	f := file{data: make([]byte, size), index: fmt.Appendf(nil, "index of %d", seq)}
	r.Read(f.data)
	sum := sha256.Sum256(f.data)
	f.manifest = catalog.Manifest{
		Seq: seq, Name: fmt.Sprintf("binlog.%06d", seq), Size: int64(size), CRC32C: catalog.CRC32C(crc32c.Of(f.data)), SHA256: hex.EncodeToString(sum[:]),
		ServerVersion: "9.7.0", Checksum: "CRC32", IndexSize: int64(len(f.index)), IndexCRC32C: catalog.CRC32C(crc32c.Of(f.index)),
	}
	return f
}

// piece describes a run of the file's bytes that ends on a boundary.
func (f file) piece(first, end int, before *file) (Piece, []byte) {
	p := Piece{PieceID: PieceID{Timeline: timeline.Dir(), File: f.manifest.Name, First: int64(first), End: int64(end)}}
	p.Seq, p.Boundary = f.manifest.Seq, int64(end)
	if first == 0 && before != nil {
		m := before.manifest
		p.After = &After{Name: m.Name, FileProof: catalog.FileProof{Size: m.Size, CRC32C: m.CRC32C}}
	}
	return p, f.data[first:end]
}

func (f file) put(ctx context.Context, w *Writer, first, end int, before *file) (Piece, error) {
	p, body := f.piece(first, end, before)
	return w.PutPiece(ctx, p, body)
}

func (f file) sealing(pieces ...Piece) Sealing {
	return Sealing{Timeline: timeline, Manifest: f.manifest, Pieces: pieces, Local: bytes.NewReader(f.data), Index: f.index}
}

// audit proves that whatever the catalog lists is there, complete and in order, and
// returns it.
func audit(t testing.TB, s store.Store) []catalog.Manifest {
	t.Helper()
	ctx := context.Background()
	b := newBucket(s)
	doc := must[*SourceDoc](t)(b.Source(ctx))
	if doc == nil {
		return nil
	}
	c := must[*Catalog](t)(b.Catalog(ctx, timeline))
	for i, m := range c.Manifests {
		if m.Seq != uint64(i)+1 {
			t.Fatalf("manifest %d in place %d", m.Seq, i)
		}
		data, object := read(t, s, b.FileKey(timeline, m.Name))
		if object.Size != m.Size || crc32c.Of(data) != uint32(m.CRC32C) || object.ETag != m.ETag {
			t.Fatalf("%s is listed with %d bytes of %s and ETag %s, the object has %d of %08x and %s", m.Name, m.Size, m.CRC32C, m.ETag, object.Size, crc32c.Of(data), object.ETag)
		}
		if index, _ := read(t, s, b.IndexKey(timeline, m.Name)); crc32c.Of(index) != uint32(m.IndexCRC32C) {
			t.Fatalf("%s has another index", m.Name)
		}
	}
	return c.Manifests
}

func read(t testing.TB, s store.Store, key string) ([]byte, store.Object) {
	t.Helper()
	data, object, err := store.ReadAll(context.Background(), s, key, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return data, object
}

// readChain reads the bytes of a chain.
func readChain(ctx context.Context, b *Bucket, c Chain) ([]byte, error) {
	var all []byte
	for _, span := range c.Spans {
		_, r, err := b.OpenPiece(ctx, span.Piece)
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, data[span.From-span.First:span.To-span.First]...)
	}
	return all, nil
}

func keys(t testing.TB, s store.Store, prefix string) []string {
	t.Helper()
	objects, err := newBucket(s).list(context.Background(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, o := range objects {
		list = append(list, o.Key)
	}
	return list
}
