package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/remote"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
	"github.com/binlogproxy/binlogproxy/testenv/memstore"
)

// undisturbed is a log that has received all of a history and was never interrupted.
type undisturbed struct {
	h       *history
	fsys    *memfs.FS
	dir     string
	records map[string]string // of the catalog, but for what depends on the bucket
	places  [][]archive.Place // by file
	sealed  []catalog.Manifest
	source  catalog.Source
}

func receiveUndisturbed(t testing.TB, h *history) *undisturbed {
	t.Helper()
	u := &undisturbed{h: h, fsys: memfs.New()}
	l := mustOpen(t, memOptions(u.fsys))
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 20}.run(l))
	must(t, l.Close())
	u.dir = memDir + "/" + l.State().Timeline
	for _, f := range h.files {
		places, err := archive.PlacesOf(f.name, f.bytes)
		must(t, err)
		u.places = append(u.places, places)
	}
	u.records, u.sealed = readCatalog(t, u.fsys, u.dir)
	b, err := u.fsys.ReadFile(memDir + "/source.json")
	must(t, err)
	u.source, err = catalog.DecodeSource(b)
	must(t, err)
	return u
}

// readCatalog gives what a catalog says of each file, in words that can be compared.
func readCatalog(t testing.TB, fsys *memfs.FS, dir string) (said map[string]string, sealed []catalog.Manifest) {
	t.Helper()
	b, err := fsys.ReadFile(dir + "/catalog")
	must(t, err)
	records, valid, err := catalog.DecodeRecords(b)
	must(t, err)
	if valid != len(b) {
		t.Errorf("the catalog in %s is torn at %d", dir, valid)
	}
	said = map[string]string{}
	for _, r := range records {
		switch {
		case r.Begin != nil:
			begin := *r.Begin
			begin.Epoch = 0
			line, err := catalog.Record{Begin: &begin}.Append(nil)
			must(t, err)
			said["begin "+begin.Name] = string(line)
		case r.Sealed != nil:
			sealed = append(sealed, *r.Sealed)
			m := *r.Sealed
			m.Epoch = 0
			line, err := catalog.Record{Sealed: &m}.Append(nil)
			must(t, err)
			said["sealed "+m.Name] = string(line)
		}
	}
	slices.SortFunc(sealed, func(a, b catalog.Manifest) int { return int(a.Seq) - int(b.Seq) })
	return said, sealed
}

// content is what is put into a bucket: files[:sealed] as such, complete ones behind them
// in pieces, and of the one behind those the first end bytes.
type content struct {
	sealed, complete int
	end              int64
	rnd              *rand.Rand // cuts the pieces
	hideGTIDs        bool       // as where they are too many for a piece's facts
}

// fillHalf is fill by a writer before that one, who was cut off half way through the open file.
func (u *undisturbed) fillHalf(t testing.TB, s store.Store, c content) {
	t.Helper()
	c.end /= 2
	u.fill(t, s, c)
}

// fill puts what an uploader would have put there at some moment.
func (u *undisturbed) fill(t testing.TB, s store.Store, c content) *bucket.Bucket {
	t.Helper()
	b := bucket.New(s, "main", bucket.Options{Logger: testLogger(t)})
	lease, err := b.Acquire(t.Context(), testHolder, time.Hour)
	must(t, err)
	w, _, err := b.TakeOver(t.Context(), lease)
	must(t, err)
	must(t, w.Begin(t.Context(), u.source))
	for i := range c.sealed {
		u.seal(t, w, i)
	}
	for i := c.sealed; i < c.sealed+c.complete; i++ {
		u.putPieces(t, w, i, int64(len(u.h.files[i].bytes)), c)
	}
	if c.end > 0 {
		u.putPieces(t, w, c.sealed+c.complete, c.end, c)
	}
	must(t, lease.Release(t.Context()))
	return b
}

func (u *undisturbed) seal(t testing.TB, w *bucket.Writer, i int) {
	t.Helper()
	f := u.h.files[i]
	index, err := u.fsys.ReadFile(u.dir + "/" + f.name + ".idx")
	must(t, err)
	_, err = w.Seal(t.Context(), bucket.Sealing{Timeline: u.source.Timelines[0], Manifest: u.sealed[i], Local: bytes.NewReader(f.bytes), Index: index})
	must(t, err)
}

// putPieces cuts the first end bytes of a file anywhere, and puts larger pieces over some
// of the smaller ones.
func (u *undisturbed) putPieces(t testing.TB, w *bucket.Writer, i int, end int64, c content) {
	t.Helper()
	cuts := []int64{0}
	for at := int64(0); at < end; {
		at = min(end, at+1+c.rnd.Int64N(3000))
		cuts = append(cuts, at)
	}
	for n := range len(cuts) - 1 {
		u.putPiece(t, w, i, cuts[n], cuts[n+1], c)
		if c.rnd.IntN(4) == 0 {
			u.putPiece(t, w, i, cuts[c.rnd.IntN(n+1)], cuts[n+1], c)
		}
	}
}

func (u *undisturbed) putPiece(t testing.TB, w *bucket.Writer, i int, first, end int64, c content) {
	t.Helper()
	f := u.h.files[i]
	p := bucket.Piece{
		PieceID:    bucket.PieceID{Timeline: u.source.Timelines[0].Dir(), File: f.name, First: first, End: end},
		PieceFacts: bucket.PieceFacts{Seq: uint64(i) + 1, HasGTIDs: !c.hideGTIDs || c.rnd.IntN(2) == 0},
	}
	gtids := &replication.GTIDSet{}
	for _, place := range u.places[i] {
		if place.Offset > end {
			break
		}
		if place.Boundary {
			p.Boundary = place.Offset
		}
		if place.Offset > first {
			gtids.AddSet(place.GTIDs)
			if place.First > 0 && (p.FirstCommit == 0 || place.First < p.FirstCommit) {
				p.FirstCommit = place.First
			}
			p.LastCommit = max(p.LastCommit, place.Last)
		}
	}
	p.GTIDs = gtids.String()
	if first == 0 && i > 0 {
		m := u.sealed[i-1]
		p.After = &bucket.After{Name: m.Name, FileProof: catalog.FileProof{Size: m.Size, CRC32C: m.CRC32C}}
	}
	_, err := w.PutPiece(t.Context(), p, f.bytes[first:end])
	must(t, err)
}

// held gives where a log ends that is made of the content, and what it has executed.
func (u *undisturbed) held(c content) (end replication.Position, executed *replication.GTIDSet) {
	i, limit := c.sealed+c.complete, c.end
	if limit == 0 {
		i--
		limit = int64(len(u.h.files[i].bytes))
	}
	end.File, executed = u.h.files[i].name, u.h.starts[i].Clone()
	for _, place := range u.places[i] {
		if place.Offset > limit {
			break
		}
		executed.AddSet(place.GTIDs)
		if place.Boundary {
			end.Offset = place.Offset
		}
	}
	return end, executed
}

func memStore() store.Store { return memstore.New(1 << 30) }

// remoteFiles reads a store's objects, without a cache on disk.
func remoteFiles(t testing.TB, s store.Store) *remote.Files {
	t.Helper()
	return patientFiles(t, s, time.Minute)
}

func patientFiles(t testing.TB, s store.Store, patience time.Duration) *remote.Files {
	t.Helper()
	cache, err := remote.OpenCache("", 0, remote.CacheOptions{})
	must(t, err)
	files := remote.New(s, cache, remote.Options{Patience: patience})
	t.Cleanup(func() {
		must(t, files.Close())
		must(t, cache.Close())
	})
	return files
}

func restoreOptions(t testing.TB, fsys *memfs.FS, b *bucket.Bucket, files *remote.Files) archive.Options {
	opts := memOptions(fsys)
	opts.Bucket, opts.Remote, opts.Logger = b, files, testLogger(t)
	return opts
}

// feedAll feeds the rest of a history. Connections may end before that.
func feedAll(ctx context.Context, l *archive.Log, h *history) error {
	for {
		failed := make(chan error, 1)
		ctx, cancel := context.WithCancel(ctx)
		go func() { failed <- l.Failed(ctx) }()
		err := feeder{history: h, flushEvery: 15, partSize: 2000}.run(l)
		for err == nil {
			changed := l.Changed()
			if l.State().Durable == end(h) {
				cancel()
				<-failed
				return nil
			}
			select {
			case <-changed:
			case err = <-failed:
				failed <- nil
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		cancel()
		<-failed
		var permanent interface{ Permanent() bool }
		if errors.As(err, &permanent) && permanent.Permanent() || errors.Is(err, archive.ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err()) && l.State().Stopped != nil {
			return err
		}
		if err := l.Restored(context.Background()); err != nil {
			return err
		}
	}
}

// checkFinished compares what a log has that was fed all of the history, and was closed.
func (u *undisturbed) checkFinished(fsys *memfs.FS, from int) error {
	for i := from; i < len(u.h.files); i++ {
		name := u.dir + "/" + u.h.files[i].name
		for _, suffix := range []string{"", ".idx"} {
			want, err := u.fsys.ReadFile(name + suffix)
			if err != nil {
				return err
			}
			got, err := fsys.ReadFile(name + suffix)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				return fmt.Errorf("%s has %d bytes, those of an undisturbed log are %d and others", path.Base(name)+suffix, len(got), len(want))
			}
		}
	}
	return nil
}

func (u *undisturbed) checkCatalog(t testing.TB, fsys *memfs.FS) {
	t.Helper()
	said, _ := readCatalog(t, fsys, u.dir)
	for what, line := range u.records {
		if said[what] != line {
			t.Errorf("%s: the catalog says %q, that of an undisturbed log %q", what, said[what], line)
		}
	}
	if len(said) != len(u.records) {
		t.Errorf("the catalog has %d records, that of an undisturbed log %d", len(said), len(u.records))
	}
}

// readBack reads everything and compares it with the history. It returns where that ends.
func readBack(l opener, h *history) (replication.Position, error) {
	r, err := l.OpenAt(replication.Position{})
	if err != nil {
		return replication.Position{}, err
	}
	defer r.Close()
	for {
		c, err := r.Next()
		if err != nil {
			if errors.Is(err, archive.ErrTail) {
				err = nil
			}
			return r.Position(), err
		}
		i := slices.IndexFunc(h.files, func(f *binlogFile) bool { return f.name == c.File })
		if rest := h.files[i].bytes; c.Offset > int64(len(rest)) || !bytes.HasPrefix(rest[c.Offset:], c.Data) {
			return r.Position(), fmt.Errorf("%s differs within %d+%d", c.File, c.Offset, len(c.Data))
		}
	}
}

func randomContent(rnd *rand.Rand, h *history) content {
	c := content{rnd: rnd, hideGTIDs: rnd.IntN(3) == 0}
	c.sealed = rnd.IntN(len(h.files))
	if left := len(h.files) - c.sealed; rnd.IntN(3) == 0 {
		c.complete = rnd.IntN(left)
	}
	f := h.files[c.sealed+c.complete]
	switch {
	case c.sealed > 0 && c.complete == 0 && rnd.IntN(4) == 0: // nothing behind the sealed ones
	case rnd.IntN(8) == 0:
		c.end = int64(len(f.bytes))
	default:
		least := int64(f.starts[3])
		c.end = least + rnd.Int64N(int64(len(f.bytes))-least+1)
	}
	return c
}

func TestALogIsMadeFromItsBucketAndGoesOn(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 7))
			checksum := replication.ChecksumCRC32
			if rnd.IntN(6) == 0 {
				checksum = replication.ChecksumNone
			}
			h := smallHistory(seed, checksum, 4, 10+rnd.IntN(60))
			u := receiveUndisturbed(t, h)
			s := memStore()
			c := randomContent(rnd, h)
			t.Logf("seed %d: %d sealed, %d complete, %d bytes of the next", seed, c.sealed, c.complete, c.end)
			if rnd.IntN(3) == 0 {
				u.fillHalf(t, s, c)
			}
			opts := restoreOptions(t, memfs.New(), u.fill(t, s, c), remoteFiles(t, s))
			l := mustOpen(t, opts)
			want, executed := u.held(c)
			if got := l.State().Published; got != want || !l.Executed().Equal(executed) || !l.Purged().IsEmpty() {
				t.Fatalf("published %s, executed %s, purged %s; the bucket has %s, %s", got, l.Executed(), l.Purged(), want, executed)
			}
			if at, err := readBack(l, h); err != nil || at != want {
				t.Fatalf("read up to %s: %v", at, err)
			}
			must(t, l.Bind(testIdentity))
			must(t, feedAll(t.Context(), l, h))
			must(t, l.Restored(t.Context()))
			if at, err := readBack(l, h); err != nil || at != end(h) || !l.Executed().Equal(h.executed) {
				t.Fatalf("read up to %s: %v, executed %s", at, err, l.Executed())
			}
			must(t, l.Close())
			from := c.sealed
			if c.end == 0 && c.complete == 0 {
				from--
			}
			must(t, u.checkFinished(opts.FS.(*memfs.FS), from))
			u.checkCatalog(t, opts.FS.(*memfs.FS))
		})
	}
}
