package bucket

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

// What the crashing writer archives: as many files as let the catalog roll over twice, or
// one that is made of parts.
var histories = map[string][]file{
	"small files":  {newFile(1, 700), newFile(2, 500), newFile(3, 300), newFile(4, 900), newFile(5, 100)},
	"a large file": {newFile(1, 12*mib-2)},
}

// archiveAll brings the bucket from whatever it holds to holding the whole history, as
// a daemon does that has the files on its disk. It returns what it has been told is safe.
func archiveAll(ctx context.Context, s store.Store, history []file, safe map[string]int64) error {
	b := newBucket(s)
	b.segment = 2
	l, w, state, err := start(ctx, b, "a")
	if err != nil {
		return err
	}
	for i := range history {
		f, before := &history[i], (*file)(nil)
		if i > 0 {
			before = &history[i-1]
		}
		if f.manifest.Seq < state.At.Seq && state.Catalogs != nil && state.Catalogs[0].Find(f.manifest.Name) != nil {
			continue
		}
		from, size := int64(0), int64(len(f.data))
		var pieces []Piece
		for _, chain := range state.Chains {
			if chain.File == f.manifest.Name {
				from = chain.End()
				for _, span := range chain.Spans {
					pieces = append(pieces, span.Piece)
				}
			}
		}
		for step := max(size/2, 1); from < size; from = min(from+step, size) {
			end := min(from+step, size)
			small := make([]Piece, 2)
			for j, run := range [][2]int64{{from, (from + end) / 2}, {(from + end) / 2, end}} {
				if small[j], err = f.put(ctx, w, int(run[0]), int(run[1]), before); err != nil {
					return err
				}
				safe[f.manifest.Name] = run[1]
			}
			big, err := f.put(ctx, w, int(from), int(end), before)
			if err != nil {
				return err
			}
			if err := w.DeletePieces(ctx, big, small); err != nil {
				return err
			}
			if end < size { // the rest is uploaded
				pieces = append(pieces, big)
			}
		}
		m, err := w.Seal(ctx, f.sealing(pieces...))
		if err != nil {
			return err
		}
		safe[m.Name] = m.Size
		if err := w.DropOpen(ctx, timeline, m.Name); err != nil {
			return err
		}
	}
	if err := w.Sweep(ctx); err != nil {
		return err
	}
	return l.Release(ctx)
}

// The process dies at each of its requests, before it is carried out and behind it; the
// next one does the rest. At no time does the catalog list what is not there, nor is
// anything lost that was reported as safe.
func TestACrashAtAnyRequestLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of crashes")
	}
	for name, history := range histories {
		f := faultstore.New(newDir(t), 1)
		if err := archiveAll(t.Context(), f, history, map[string]int64{}); err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, c := range f.Counts() {
			total += int(c.Requests)
		}
		for n := range total {
			for i, fault := range []faultstore.Fault{faultstore.LostRequest, faultstore.LostResponse} {
				if len(history) == 1 && n%2 != i {
					continue // moving many bytes takes its time
				}
				t.Run(fmt.Sprintf("%s, request %d, fault %d", name, n, fault), func(t *testing.T) { crashAt(t, history, n, fault) })
			}
		}
	}
}

func crashAt(t *testing.T, history []file, n int, fault faultstore.Fault) {
	d := newDir(t)
	f := faultstore.New(d, 1)
	f.Rules(faultstore.Rule{Fault: fault, Skip: n, Times: 1}, faultstore.Rule{Fault: faultstore.LostRequest, Skip: n})
	safe := map[string]int64{}
	if err := archiveAll(t.Context(), f, history, safe); err == nil && fault == faultstore.LostRequest {
		t.Fatal("it did not crash")
	}
	checkSafe(t, d, history, safe)
	if err := archiveAll(t.Context(), d, history, safe); err != nil {
		t.Fatal(err)
	}
	if held := audit(t, d); len(held) != len(history) {
		t.Fatalf("%d files are listed", len(held))
	}
	b := newBucket(d)
	if left := keys(t, d, b.openFolder(timeline)); len(left) > 0 {
		t.Errorf("pieces left: %q", left)
	}
	if uploads, err := d.ListUploads(t.Context(), ""); err != nil || len(uploads) > 0 {
		t.Errorf("uploads left: %v, %v", uploads, err)
	}
	if segments := keys(t, d, b.catalogFolder(timeline)); len(segments) != len(history)/2+1 {
		t.Errorf("the catalog is in %q", segments)
	}
}

// checkSafe proves that the bucket alone has every byte that was reported as safe.
func checkSafe(t *testing.T, s store.Store, history []file, safe map[string]int64) {
	t.Helper()
	held := map[string]int64{}
	for _, m := range audit(t, s) {
		held[m.Name] = m.Size
	}
	b := newBucket(s)
	doc := must[*SourceDoc](t)(b.Source(t.Context()))
	if doc == nil {
		if len(safe) > 0 {
			t.Fatalf("no source.json, and %v is safe", safe)
		}
		return
	}
	tail := must[*Tail](t)(b.Tail(t.Context(), must[*Catalog](t)(b.Catalog(t.Context(), timeline))))
	for _, chain := range tail.Chains {
		held[chain.File] = chain.End()
		data := must[[]byte](t)(readChain(t.Context(), b, chain))
		if !bytes.Equal(data, history[chain.Seq-1].data[:len(data)]) {
			t.Fatalf("%s has other bytes", chain.File)
		}
	}
	for name, end := range safe {
		if held[name] < end {
			t.Fatalf("of %s %d bytes are held, %d are safe", name, held[name], end)
		}
	}
}
