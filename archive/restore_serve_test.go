package archive_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// gate is a store that holds up reads of whole pieces while it is shut, as the fetching
// in the background asks for; readers ask for parts.
type gate struct {
	store.Store
	mu   sync.Mutex
	shut chan struct{} // closed when it opens; nil = open
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

func (g *gate) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil && r.Whole() && strings.Contains(key, "/open/") {
		select {
		case <-shut:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.Store.Get(ctx, key, r)
}

// openFileHistory has an open file with much before its last 3 KiB.
func openFileHistory(seed uint64) (*history, content) {
	h := smallHistory(seed, replication.ChecksumCRC32, 3, 60)
	return h, content{sealed: 1, end: int64(len(h.files[1].bytes)) * 2 / 3, rnd: rand.New(rand.NewPCG(seed, 8))}
}

func fed(h *history, files int) *history {
	part := *h
	part.files = h.files[:files]
	return &part
}

// restoring is a log whose open file is being fetched, and does not get on.
type restoring struct {
	*archive.Log
	u     *undisturbed
	c     content
	store *faultstore.Store // below the gate
	gate  *gate
	b     *bucket.Bucket
	opts  archive.Options
}

func startRestore(t *testing.T, seed uint64, patience time.Duration) *restoring {
	t.Helper()
	h, c := openFileHistory(seed)
	r := &restoring{u: receiveUndisturbed(t, h), c: c, store: faultstore.New(memStore(), seed)}
	r.u.fill(t, r.store, c)
	r.gate = &gate{Store: r.store}
	r.b = bucket.New(r.gate, "main", bucket.Options{Logger: testLogger(t)})
	r.opts = restoreOptions(t, memfs.New(), r.b, patientFiles(t, r.store, patience))
	r.Log = r.openShut(t)
	return r
}

// openShut opens the log and shuts the gate before more than the end is fetched.
func (r *restoring) openShut(t *testing.T) *archive.Log {
	t.Helper()
	fsys := r.opts.FS.(*memfs.FS)
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.Kind == memfs.Rename && strings.Contains(op.Name, "source.json") {
			r.gate.close()
		}
		return memfs.Fault{}
	})
	l := mustOpen(t, r.opts)
	fsys.SetInjector(nil)
	if r.gate.shut == nil {
		t.Fatal("nothing is left to be fetched")
	}
	return l
}

func TestHistoryIsServedAndReceivedWhileTheOpenFileIsFetched(t *testing.T) {
	r := startRestore(t, 1, time.Minute)
	h := r.u.h
	must(t, r.Bind(testIdentity))
	want, _ := r.u.held(r.c)
	if at, err := readBack(r.Log, h); err != nil || at != want {
		t.Fatalf("read up to %s: %v; the bucket has %s", at, err, want)
	}
	follower, err := r.OpenAt(replication.Position{})
	must(t, err)
	defer follower.Close()
	must(t, feedAll(t.Context(), r.Log, fed(h, 2)))
	if at, err := readBack(r.Log, h); err != nil || at != end(fed(h, 2)) {
		t.Fatalf("read up to %s while the rest of the file was received: %v", at, err)
	}
	for what, err := range map[string]error{
		"the next file":  r.StartFile(h.files[2].name),
		"a gap":          r.Gap("purged", h.files[2].name, h.previous(2)),
		"a far compare":  resumeErr(r.Log, 1000),
		"the first byte": resumeErr(r.Log, 4),
	} {
		var permanent interface{ Permanent() bool }
		if err == nil || errors.As(err, &permanent) && permanent.Permanent() {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.gate.open()
	must(t, r.Restored(t.Context()))
	must(t, feedAll(t.Context(), r.Log, h))
	for at := int64(0); ; {
		c, err := follower.Next()
		if errors.Is(err, archive.ErrTail) {
			break
		}
		must(t, err)
		at += int64(len(c.Data))
	}
	if at := follower.Position(); at != end(h) {
		t.Errorf("a reader that was there all the time has come to %s", at)
	}
	must(t, r.Close())
	must(t, r.u.checkFinished(r.opts.FS.(*memfs.FS), r.c.sealed))
	r.u.checkCatalog(t, r.opts.FS.(*memfs.FS))
}

func resumeErr(l *archive.Log, farthest int64) error {
	_, _, err := l.Resume(replication.Reach{Farthest: farthest})
	return err
}

func TestABucketThatIsAwayHoldsUpNothingElse(t *testing.T) {
	r := startRestore(t, 2, 50*time.Millisecond)
	h := r.u.h
	must(t, r.Bind(testIdentity))
	r.store.Rules(faultstore.Rule{Fault: faultstore.LostRequest})
	r.gate.open()
	must(t, feedAll(t.Context(), r.Log, fed(h, 2)))
	var away *archive.RemoteError
	if _, err := readBack(r.Log, h); !errors.As(err, &away) {
		t.Errorf("a reader of what is in the bucket: %v", err)
	}
	tail, err := r.OpenAt(replication.Position{File: h.files[1].name, Offset: int64(h.files[1].starts[len(h.files[1].starts)-1])})
	must(t, err)
	defer tail.Close()
	if _, err := tail.Next(); err != nil {
		t.Errorf("a reader of what is on the disk: %v", err)
	}
	if err := r.State().Stopped; err != nil {
		t.Fatal(err)
	}
	r.store.Rules()
	must(t, r.Restored(t.Context()))
	must(t, feedAll(t.Context(), r.Log, h))
	must(t, r.Close())
	must(t, r.u.checkFinished(r.opts.FS.(*memfs.FS), r.c.sealed))
}

// pieceAt gives the key of a piece that the open file's head needs.
func (r *restoring) pieceAt(t *testing.T, offset int64) string {
	t.Helper()
	c, err := r.b.Catalog(t.Context(), r.u.source.Timelines[0])
	must(t, err)
	tail, err := r.b.Tail(t.Context(), c)
	must(t, err)
	for _, s := range tail.Chains[0].Spans {
		if s.From <= offset && offset < s.To {
			return r.b.PieceKey(s.PieceID)
		}
	}
	t.Fatal("no piece at", offset)
	return ""
}

func TestAPieceThatIsDamagedOrLostStopsTheWriting(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, r *restoring, key string){
		"damaged": func(t *testing.T, r *restoring, key string) { r.store.Rot(key, faultstore.FlipBit(77)) },
		"cut": func(t *testing.T, r *restoring, key string) {
			must(t, faultstore.Rewrite(t.Context(), r.store, key, faultstore.Truncate(10)))
		},
		"lost": func(t *testing.T, r *restoring, key string) { must(t, r.store.Delete(t.Context(), key)) },
		"another": func(t *testing.T, r *restoring, key string) {
			must(t, faultstore.Rewrite(t.Context(), r.store, key, faultstore.FlipBit(77)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRestore(t, 3, time.Minute)
			key := r.pieceAt(t, 600)
			spoil(t, r, key)
			r.gate.open()
			var damage *archive.DamageError
			if err := r.Restored(t.Context()); !errors.As(err, &damage) || !strings.HasPrefix(damage.File, "main/") || name != "lost" && damage.File != key {
				t.Fatalf("%v; the object is %s", err, key)
			}
			if err := r.State().Stopped; !errors.As(err, &damage) {
				t.Errorf("stopped by %v", err)
			}
			first, err := r.OpenAt(replication.Position{})
			must(t, err)
			defer first.Close()
			if _, err := first.Next(); err != nil {
				t.Errorf("what is before the damage: %v", err)
			}
			must(t, r.Close())
		})
	}
}

// What is at the end of the open file is read in Open.
func TestTheHistoryBeforeADamagedEndIsServed(t *testing.T) {
	h, c := openFileHistory(4)
	u := receiveUndisturbed(t, h)
	s := faultstore.New(memStore(), 4)
	b := u.fill(t, s, c)
	r := &restoring{u: u, c: c, store: s, b: b}
	want, executed := u.held(c)
	s.Rot(r.pieceAt(t, want.Offset-100), faultstore.FlipBit(5))
	fsys := memfs.New()
	opts := restoreOptions(t, fsys, b, remoteFiles(t, s))
	for range 2 {
		l := mustOpen(t, opts)
		var damage *archive.DamageError
		if err := l.State().Stopped; !errors.As(err, &damage) || !strings.Contains(damage.File, "/open/") {
			t.Fatalf("stopped by %v", err)
		}
		if at, _ := readBack(l, h); at != end(fed(h, 1)) {
			t.Errorf("read up to %s", at)
		}
		must(t, l.Close())
	}
	s.Rot(r.pieceAt(t, want.Offset-100), func(b []byte) []byte { return b }) // it was repaired
	l := mustOpen(t, opts)
	if got := l.State().Published; got != want || !l.Executed().Equal(executed) {
		t.Errorf("published %s, executed %s; the bucket has %s, %s", got, l.Executed(), want, executed)
	}
	must(t, feedAll(t.Context(), l, h))
	must(t, l.Close())
	must(t, u.checkFinished(fsys, c.sealed))
}
