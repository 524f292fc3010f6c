package bucket

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

const mib = 1 << 20

// The life of a file: pieces, sealed from copies and the tail, dropped; then the next
// process goes on where the pieces of the file behind end.
func TestAFileBecomesOneObjectAndTheNextWriterGoesOn(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	b := newBucket(s)
	_, w, state, err := start(ctx, b, "a")
	if err != nil || state.Source != nil {
		t.Fatal(state, err)
	}
	one, two := newFile(1, 13*mib), newFile(2, 3*mib)
	small := []Piece{must[Piece](t)(one.put(ctx, w, 0, mib, nil)), must[Piece](t)(one.put(ctx, w, mib, 6*mib, nil))}
	big := must[Piece](t)(one.put(ctx, w, 0, 6*mib, nil))
	if err := w.DeletePieces(ctx, big, small); err != nil {
		t.Fatal(err)
	}
	tail := must[Piece](t)(one.put(ctx, w, 6*mib, 13*mib-3, nil))
	must[Piece](t)(two.put(ctx, w, 0, mib, &one))
	m := must[catalog.Manifest](t)(w.Seal(ctx, one.sealing(big, tail)))
	if again := must[catalog.Manifest](t)(w.Seal(ctx, one.sealing())); again != m {
		t.Errorf("sealed again: %+v, first %+v", again, m)
	}
	if err := w.DropOpen(ctx, timeline, one.manifest.Name); err != nil {
		t.Fatal(err)
	}
	if held := audit(t, s); len(held) != 1 || held[0] != m {
		t.Errorf("%+v", held)
	}
	if left := keys(t, s, b.openFolder(timeline)); len(left) != 1 || !strings.Contains(left[0], two.manifest.Name) {
		t.Errorf("pieces left: %q", left)
	}
	must[Piece](t)(two.put(ctx, w, mib, 2*mib, nil))

	_, next, state, err := start(ctx, b, "a")
	if err != nil || next.Epoch() != 2 || len(state.Catalogs) != 1 || len(state.Chains) != 1 {
		t.Fatalf("%+v, %v", state, err)
	}
	if want := (Place{Timeline: 1, Seq: 2, File: two.manifest.Name, Offset: 2 * mib}); state.At != want {
		t.Errorf("begins at %+v, expected %+v", state.At, want)
	}
	if data := must[[]byte](t)(readChain(ctx, b, state.Chains[0])); !bytes.Equal(data, two.data[:2*mib]) {
		t.Error("the chain has other bytes")
	}
	if _, err := two.put(ctx, w, 2*mib, 3*mib, nil); err != nil {
		t.Error(err) // the old writer cannot know yet
	}
	chain := must[Chain](t)(b.Pieces(ctx, timeline, two.manifest.Name, 2))
	if chain.End() != 2*mib || len(chain.Leftovers) != 1 {
		t.Errorf("a fenced writer's piece counts: %+v", chain)
	}
	if _, err := w.Seal(ctx, two.sealing()); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	if _, err := two.put(ctx, w, 2*mib, 3*mib-1, nil); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	must[catalog.Manifest](t)(next.Seal(ctx, two.sealing()))
	if err := next.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if held := audit(t, s); len(held) != 2 || held[1].Epoch != 2 {
		t.Errorf("%+v", held)
	}
	if left := keys(t, s, b.openFolder(timeline)); len(left) != 0 {
		t.Errorf("pieces left: %q", left)
	}
}

// What the lost disk had reported durable is found again over several files.
func TestUnsealedFilesFollowEachOther(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	b := newBucket(s)
	_, w, _, err := start(ctx, b, "a")
	if err != nil {
		t.Fatal(err)
	}
	one, two, three := newFile(1, 100), newFile(2, 100), newFile(3, 100)
	must[Piece](t)(three.put(ctx, w, 0, 10, &two))
	for _, at := range []int{0, 40, 80} {
		must[Piece](t)(one.put(ctx, w, at, min(at+40, 100), nil))
		must[Piece](t)(two.put(ctx, w, at, min(at+40, 100), &one))
	}
	_, _, state, err := start(ctx, b, "a")
	if err != nil || len(state.Chains) != 3 || state.At.File != three.manifest.Name || state.At.Offset != 10 {
		t.Fatalf("%+v, %v", state, err)
	}
	for i, f := range []file{one, two, three} {
		data := must[[]byte](t)(readChain(ctx, b, state.Chains[i]))
		if !bytes.Equal(data, f.data[:len(data)]) || i < 2 && len(data) != 100 {
			t.Errorf("%s: %d bytes", f.manifest.Name, len(data))
		}
	}
}

func TestAnotherFileUnderAListedNameIsAnotherHistory(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	b := newBucket(s)
	_, w, _, err := start(ctx, b, "a")
	if err != nil {
		t.Fatal(err)
	}
	one := newFile(1, 1000)
	must[catalog.Manifest](t)(w.Seal(ctx, one.sealing()))
	other := newFile(7, 1000)
	other.manifest.Seq, other.manifest.Name = 1, one.manifest.Name
	if _, err := w.Seal(ctx, other.sealing()); !errors.As(err, new(*HistoryError)) {
		t.Error(err)
	}
	piece, body := newFile(2, 100).piece(0, 100, &one)
	must[Piece](t)(w.PutPiece(ctx, piece, body))
	must[Piece](t)(w.PutPiece(ctx, piece, body))
	if _, err := w.PutPiece(ctx, piece, newFile(3, 100).data); !errors.As(err, new(*HistoryError)) {
		t.Error(err)
	}
	audit(t, s)
}

// What the catalog does not list, nobody relies on.
func TestLeftoversUnderAFilesNameAreReplaced(t *testing.T) {
	for _, size := range []int{1000, 6 * mib} {
		s, ctx := newDir(t), t.Context()
		b := newBucket(s)
		_, w, _, err := start(ctx, b, "a")
		if err != nil {
			t.Fatal(err)
		}
		one := newFile(1, size)
		must[*Catalog](t)(w.Catalog(ctx, timeline)) // which comes first
		for _, key := range []string{b.FileKey(timeline, one.manifest.Name), b.IndexKey(timeline, one.manifest.Name)} {
			if _, err := s.Put(ctx, key, []byte("of a writer that is gone"), store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		must[catalog.Manifest](t)(w.Seal(ctx, one.sealing()))
		audit(t, s)
	}
}

// Damage on the way into the bucket is found before anything is listed.
func TestWrongBytesAreNotSealed(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	_, w, _, err := start(ctx, newBucket(s), "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1000, 6 * mib} {
		one := newFile(1, size)
		wrong := one.sealing()
		data := bytes.Clone(one.data)
		data[size/2] ^= 1
		wrong.Local = bytes.NewReader(data)
		if _, err := w.Seal(ctx, wrong); !errors.As(err, new(*DamageError)) {
			t.Error(err)
		}
		if held := audit(t, s); len(held) > 0 {
			t.Errorf("%+v", held)
		}
	}
	if uploads, err := s.ListUploads(ctx, ""); err != nil || len(uploads) > 0 {
		t.Errorf("uploads left: %v, %v", uploads, err)
	}
}
