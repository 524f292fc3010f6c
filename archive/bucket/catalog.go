package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

const maxList = 1 << 30 // bytes of a catalog's object: a manifest's GTID sets have no limit of their own

// Catalog is the catalog of one timeline as it was read: all its sealed files.
type Catalog struct {
	Timeline  catalog.Timeline
	Manifests []catalog.Manifest // in the order of their sequence numbers, without a hole
	Epoch     uint64             // of the writer to whom it belongs; 0 = there is no catalog

	open     catalog.List // what catalog/open holds, which are the last of Manifests
	etag     string       // of catalog/open; "" = there is none
	segments uint64       // sequence number of the last manifest in a segment
}

// Last is the manifest of the last sealed file; nil where there is none.
func (c *Catalog) Last() *catalog.Manifest {
	if len(c.Manifests) == 0 {
		return nil
	}
	return &c.Manifests[len(c.Manifests)-1]
}

// Find gives the manifest of a file; nil where the catalog does not list it.
func (c *Catalog) Find(file string) *catalog.Manifest {
	for i := len(c.Manifests) - 1; i >= 0; i-- {
		if c.Manifests[i].Name == file {
			return &c.Manifests[i]
		}
	}
	return nil
}

// Catalog reads the catalog of a timeline, with one listing and one read for each
// object, but for segments that were read before: they never change. It is empty where
// there is none yet. A *DamageError names an object that is missing or damaged.
func (b *Bucket) Catalog(ctx context.Context, t catalog.Timeline) (*Catalog, error) {
	c, err := b.loadCatalog(ctx, t)
	if damage := (*DamageError)(nil); errors.As(err, &damage) || err == nil && c.etag == "" {
		// A listing may be older than what was read after it, or have holes.
		c, err = b.loadCatalog(ctx, t)
	}
	if err != nil || c.etag != "" {
		return c, err
	}
	// Without a catalog there are no files either, which come behind it.
	file, err := b.anyFile(ctx, t)
	if err != nil || file == "" {
		return c, err
	}
	if c, err = b.loadCatalog(ctx, t); err == nil && c.etag == "" {
		err = &DamageError{Key: b.CatalogKey(t), Expected: "the catalog, which comes before all files", Found: "no such object, and " + file}
	}
	return c, err
}

// anyFile gives the key of a file or a piece of a timeline; "" for none.
func (b *Bucket) anyFile(ctx context.Context, t catalog.Timeline) (string, error) {
	page, err := b.store.List(ctx, b.folder(t), "", 100)
	for _, object := range page.Objects {
		_, piece := b.ParsePieceKey(object.Key)
		if _, _, _, file := b.ParseFileKey(object.Key); piece || file {
			return object.Key, err
		}
	}
	return "", err
}

func (b *Bucket) loadCatalog(ctx context.Context, t catalog.Timeline) (*Catalog, error) {
	objects, err := b.list(ctx, b.catalogFolder(t))
	if err != nil {
		return nil, err
	}
	lists := make([]catalog.List, len(objects))
	etags := make([]string, len(objects))
	err = b.each(ctx, len(objects), func(ctx context.Context, i int) error {
		var err error
		lists[i], etags[i], err = b.listOf(ctx, objects[i], t)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &Catalog{Timeline: t}
	for i, list := range lists {
		if objects[i].Key == b.CatalogKey(t) {
			c.open, c.etag, c.Epoch = list, etags[i], list.Epoch
			continue
		}
		if err := c.add(list, objects[i].Key); err != nil {
			return nil, err
		}
		c.segments = list.Next() - 1
	}
	return c, b.finishCatalog(c)
}

// finishCatalog adds what catalog/open holds: behind the segments, or, while it
// is being rolled over, in the last of them.
func (b *Bucket) finishCatalog(c *Catalog) error {
	key := b.CatalogKey(c.Timeline)
	if c.etag == "" {
		if len(c.Manifests) > 0 {
			return &DamageError{Key: key, Expected: fmt.Sprintf("the manifests behind %d", c.segments), Found: "no such object"}
		}
		return nil
	}
	if c.open.First > c.segments+1 {
		return &DamageError{Key: b.SegmentKey(c.Timeline, c.segments+1, c.open.First-1), Expected: "a part of the catalog", Found: "no such object"}
	}
	return c.add(c.open, key)
}

// readList reads an object of the catalog. A foreign one there is damage: it might
// be a part of the catalog whose name was lost.
func (b *Bucket) readList(ctx context.Context, key string, t catalog.Timeline) (catalog.List, string, error) {
	fail := func(expected, found string) (catalog.List, string, error) {
		return catalog.List{}, "", &DamageError{Key: key, Expected: expected, Found: found}
	}
	name := strings.TrimPrefix(key, b.catalogFolder(t))
	first, last, segment := parseSegment(name)
	if !segment && name != "open" {
		return fail("a part of the catalog", "another name")
	}
	data, object, err := b.get(ctx, key, maxList)
	if errors.Is(err, store.ErrNotFound) {
		return fail("a part of the catalog", "no such object")
	}
	if err != nil {
		return catalog.List{}, "", err
	}
	list, err := catalog.DecodeList(data)
	switch {
	case err != nil:
		return catalog.List{}, "", damaged(key, "a part of the catalog", err)
	case list.Timeline != t.Number:
		return fail(fmt.Sprintf("timeline %d", t.Number), fmt.Sprintf("timeline %d", list.Timeline))
	case segment && (list.First != first || list.Next()-1 != last):
		return fail("the manifests that its name says", fmt.Sprintf("those from %d to %d", list.First, list.Next()-1))
	case segment != (list.Epoch == 0):
		return fail("an epoch in catalog/open, and only there", fmt.Sprintf("epoch %d", list.Epoch))
	}
	return list, object.ETag, nil
}

// add appends the manifests of a list, of which the first may be there already.
func (c *Catalog) add(list catalog.List, key string) error {
	next := uint64(len(c.Manifests)) + 1
	if list.First > next {
		return &DamageError{Key: key, Expected: fmt.Sprintf("manifests from %d on", next), Found: fmt.Sprintf("from %d on: a part of the catalog before it is missing", list.First)}
	}
	both := min(next-list.First, uint64(len(list.Manifests)))
	if !sameManifests(c.Manifests[list.First-1:][:both], list.Manifests[:both]) {
		return &DamageError{Key: key, Expected: "what an earlier part of the catalog says of the same files", Found: "something else"}
	}
	c.Manifests = append(c.Manifests, list.Manifests[both:]...)
	return nil
}

func sameManifests(a, b []catalog.Manifest) bool {
	return slices.EqualFunc(a, b, func(x, y catalog.Manifest) bool {
		// As documents: the GTIDs before a file are behind a pointer.
		one, err := catalog.Record{Sealed: &x}.Append(nil)
		two, err2 := catalog.Record{Sealed: &y}.Append(nil)
		return err == nil && err2 == nil && bytes.Equal(one, two)
	})
}
