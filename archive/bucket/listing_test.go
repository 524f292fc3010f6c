package bucket

import (
	"errors"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

// twoSegments is a bucket with five sealed files, two segments, and pieces of a sixth.
func twoSegments(t *testing.T) (*faultstore.Store, *Bucket) {
	f := faultstore.New(newDir(t), 7)
	b := newBucket(f)
	b.segment = 2
	_, w, _, err := start(t.Context(), b, "a")
	if err != nil {
		t.Fatal(err)
	}
	var last file
	for seq := uint64(1); seq <= 5; seq++ {
		last = newFile(seq, 100)
		must[catalog.Manifest](t)(w.Seal(t.Context(), last.sealing()))
	}
	next := newFile(6, 100)
	for at := 0; at < 100; at += 10 {
		must[Piece](t)(next.put(t.Context(), w, at, at+10, &last))
	}
	return f, b
}

func TestAHoleInOneListingIsNotBelieved(t *testing.T) {
	f, b := twoSegments(t)
	for range 20 { // other holes each time
		f.Rules(faultstore.Rule{Fault: faultstore.Holes, Key: "/catalog/", Times: 1})
		c := must[*Catalog](t)(b.Catalog(t.Context(), timeline))
		if len(c.Manifests) != 5 {
			t.Fatalf("%d manifests", len(c.Manifests))
		}
		f.Rules(faultstore.Rule{Fault: faultstore.Holes, Key: "/open/", Times: 1})
		chain := must[Chain](t)(b.Pieces(t.Context(), timeline, "binlog.000006", 6))
		if chain.Hole != 0 {
			t.Fatalf("a hole was believed: %+v", chain)
		}
	}
}

func TestAMissingPartOfTheCatalogIsNamed(t *testing.T) {
	for _, part := range []string{"0000000001-0000000002", "0000000003-0000000004", "open"} {
		f, b := twoSegments(t)
		if err := f.Delete(t.Context(), b.catalogFolder(timeline)+part); err != nil {
			t.Fatal(err)
		}
		_, err := b.Catalog(t.Context(), timeline)
		if damage := (*DamageError)(nil); !errors.As(err, &damage) || !strings.Contains(err.Error(), "no such object") && !strings.Contains(err.Error(), "missing") {
			t.Errorf("without %s: %v", part, err)
		}
	}
}

func TestADamagedPartOfTheCatalogIsNamed(t *testing.T) {
	for _, part := range []string{"0000000001-0000000002", "0000000003-0000000004", "open"} {
		for _, change := range []faultstore.Change{faultstore.FlipBit(777), faultstore.Truncate(100)} {
			f, b := twoSegments(t)
			key := b.catalogFolder(timeline) + part
			if err := faultstore.Rewrite(t.Context(), f, key, change); err != nil {
				t.Fatal(err)
			}
			_, err := b.Catalog(t.Context(), timeline)
			if damage := (*DamageError)(nil); !errors.As(err, &damage) || damage.Key != key {
				t.Errorf("%s: %v", part, err)
			}
		}
	}
}

// Reading costs a listing and one read for each segment and for what is open.
func TestReadingTheCatalogIsCheap(t *testing.T) {
	f, b := twoSegments(t)
	f.ResetCounts()
	c := must[*Catalog](t)(b.Catalog(t.Context(), timeline))
	counts := f.Counts()
	if len(c.Manifests) != 5 || counts[faultstore.List].Requests != 1 || counts[faultstore.Get].Requests != 3 || len(counts) != 2 {
		t.Errorf("%d manifests with %+v", len(c.Manifests), counts)
	}
}

// What the probe refuses.
func TestAStoreThatIgnoresConditionsIsRefused(t *testing.T) {
	f := faultstore.New(newDir(t), 1)
	f.Rules(faultstore.Rule{Fault: faultstore.IgnoredCondition})
	if _, err := store.Probe(t.Context(), f, "main/"); !errors.Is(err, store.ErrIgnoresConditions) {
		t.Error(err)
	}
}
