package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
)

// plan is what a bucket holds, as the log that is to be made of it.
type plan struct {
	source   catalog.Source
	timeline catalog.Timeline
	sealed   []catalog.Manifest // files whose bytes stay in the bucket
	fetched  []*fetchedFile     // files whose bytes come to the disk, in order: the last one is the open file
	hole     int64              // where pieces of the open file go on behind a hole; 0 = nowhere
	damage   error              // why the open file is none of them; nil = all is well
}

// fetchedFile is a file whose bytes come from the bucket.
type fetchedFile struct {
	begin    catalog.Begin
	end      int64 // up to here
	parts    []part
	manifest *catalog.Manifest // of a sealed file; nil = its bytes are in pieces
}

// part is a run of a file's bytes.
type part struct {
	object
	piece *bucket.Piece // described; nil = of a sealed file's object
}

func (f *fetchedFile) objects() []object {
	objects := make([]object, len(f.parts))
	for i, p := range f.parts {
		objects[i] = p.object
	}
	return objects
}

// objectAt names the object that has the byte at an offset.
func (f *fetchedFile) objectAt(off int64) string {
	name, _ := (&objectsHandle{objects: f.objects()}).source(off)
	return name
}

// readPlan gives nil for an empty bucket.
func (l *Log) readPlan(ctx context.Context) (*plan, error) {
	p, err := readBucket(ctx, l.opts.Bucket)
	if err != nil || p == nil {
		return nil, err
	}
	if len(p.fetched) == 0 && p.damage == nil {
		p.addLast(l.opts.Bucket)
	}
	p.dropGap()
	if p.hole > 0 {
		l.logger.Error("a piece is missing in the bucket: the source is asked for what it had, and what that has purged is a gap",
			"behind", p.marker().open(), "offset", p.marker().End, "next_piece", p.hole)
	}
	return p, nil
}

// readBucket gives nil for an empty one. The files that it has in pieces are the fetched
// ones of the plan.
func readBucket(ctx context.Context, b *bucket.Bucket) (*plan, error) {
	doc, err := b.Source(ctx)
	if err != nil || doc == nil {
		return nil, err
	}
	p := &plan{source: doc.Source, timeline: doc.Timelines[len(doc.Timelines)-1]}
	c, err := b.Catalog(ctx, p.timeline)
	if err != nil {
		return nil, err
	}
	tail, err := b.Tail(ctx, c)
	if err == nil {
		err = b.CheckReach(tail)
	}
	var newer *FormatError
	if permanent(err) && !errors.As(err, &newer) {
		p.damage = damagedObject(err, "", 0)
		tail = &bucket.Tail{Source: doc, Catalog: c}
	} else if err != nil {
		return nil, err
	}
	if tail.Source == nil {
		return nil, fmt.Errorf("source.json vanished from %s while it was read", b)
	}
	p.source, p.sealed = tail.Source.Source, tail.Catalog.Manifests
	p.source.Epochs = nil // what a bucket needs to know
	p.addChains(b, tail.Chains)
	if n := len(tail.Chains); n > 0 {
		p.hole = tail.Chains[n-1].Hole
	}
	return p, nil
}

// addChains plans the files of which the bucket has pieces. All but the last are complete.
func (p *plan) addChains(b *bucket.Bucket, chains []bucket.Chain) {
	for i, chain := range chains {
		f := &fetchedFile{end: chain.End()}
		if i == len(chains)-1 {
			f.end = chain.Boundary()
		}
		if f.end <= replication.FirstEventOffset {
			return
		}
		first := chain.Spans[0].Piece
		f.begin = catalog.Begin{Seq: chain.Seq, Epoch: first.Epoch, Name: chain.File}
		if first.After != nil {
			f.begin.After = &first.After.FileProof
		}
		for j := range chain.Spans {
			if s := &chain.Spans[j]; s.From < f.end {
				f.parts = append(f.parts, part{
					object: object{from: s.From, to: min(s.To, f.end), key: b.PieceKey(s.PieceID), etag: s.ETag, first: s.First, size: s.Size()},
					piece:  &s.Piece,
				})
			}
		}
		p.fetched = append(p.fetched, f)
	}
}

// addLast lets the last sealed file be the open one, unless it is cut: what is received
// goes on behind it, and is compared with it.
func (p *plan) addLast(b *bucket.Bucket) {
	n := len(p.sealed)
	if n == 0 || p.sealed[n-1].Cut != nil {
		return
	}
	p.fetched = []*fetchedFile{p.sealedFile(b, &p.sealed[n-1])}
	p.sealed = p.sealed[:n-1]
}

func (p *plan) sealedFile(b *bucket.Bucket, m *catalog.Manifest) *fetchedFile {
	return &fetchedFile{
		begin: p.beginOf(m), end: m.Size, manifest: m,
		parts: []part{{object: object{to: m.Size, key: b.FileKey(p.timeline, m.Name), etag: m.ETag, size: m.Size}}},
	}
}

// adopt lets objects of sealed files be fetched that have another ETag than the catalog says,
// as in a copy of a bucket. What is fetched is compared with the manifest.
func (p *plan) adopt(ctx context.Context, b *bucket.Bucket) error {
	for _, f := range p.fetched {
		if f.manifest == nil {
			continue
		}
		object, err := b.FileObject(ctx, p.timeline, f.manifest.Name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		m := *f.manifest
		m.ETag = object.ETag
		f.manifest, f.parts[0].etag = &m, m.ETag
	}
	return nil
}

// beginOf gives the catalog's first record of a sealed file.
func (p *plan) beginOf(m *catalog.Manifest) catalog.Begin {
	b := catalog.Begin{Seq: m.Seq, Epoch: m.Epoch, Name: m.Name}
	if m.Seq > 1 {
		before := &p.sealed[m.Seq-2]
		b.After = &catalog.FileProof{Size: before.Size, CRC32C: before.CRC32C}
	}
	return b
}

// dropGap forgets a gap behind the open file: of a file that was being cut the bucket may
// lack the end. The source says again what it has lost.
func (p *plan) dropGap() {
	last := p.lastSeq()
	gaps := p.source.Gaps
	for len(gaps) > 0 && len(p.fetched) > 0 && gaps[len(gaps)-1].Seq >= last {
		gaps = gaps[:len(gaps)-1]
	}
	p.source.Gaps = gaps
}

func (p *plan) lastSeq() uint64 { return uint64(len(p.sealed) + len(p.fetched)) }

// file finds a file by its number: its bytes and how far the bucket has them.
func (p *plan) file(b *bucket.Bucket, seq uint64) *fetchedFile {
	if seq >= 1 && seq <= uint64(len(p.sealed)) {
		return p.sealedFile(b, &p.sealed[seq-1])
	}
	if i := seq - uint64(len(p.sealed)) - 1; i < uint64(len(p.fetched)) {
		return p.fetched[i]
	}
	return nil
}

// marker is what RESTORING says of the plan.
func (p *plan) marker() *restoring {
	r := &restoring{Format: catalog.Version, Timeline: p.timeline.Dir(), Files: []string{}, Seq: p.lastSeq(), Gaps: len(p.source.Gaps)}
	for _, f := range p.fetched {
		r.Files, r.End = append(r.Files, f.begin.Name), f.end
	}
	return r
}

// extends says that the plan has all that a directory was made of, and maybe more.
func (p *plan) extends(r *restoring) bool {
	now := p.marker()
	return now.Timeline == r.Timeline && (now.Seq > r.Seq || now.Seq == r.Seq && now.End >= r.End)
}

// records are the catalog of the log.
func (p *plan) records() ([]byte, error) {
	var b []byte
	add := func(r catalog.Record) (err error) {
		b, err = r.Append(b)
		return err
	}
	for i := range p.sealed {
		m, etag := p.sealed[i], p.sealed[i].ETag
		m.ETag = ""
		begin := p.beginOf(&m)
		err := errors.Join(add(catalog.Record{Begin: &begin}), add(catalog.Record{Sealed: &m}), add(catalog.Record{Stored: &catalog.Stored{Seq: m.Seq, ETag: etag}}))
		if err != nil {
			return nil, err
		}
	}
	for _, f := range p.fetched {
		if err := add(catalog.Record{Begin: &f.begin}); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// damagedObject names the object in an error of package bucket. key and offset are what
// was being read.
func damagedObject(err error, key string, offset int64) error {
	var own *DamageError
	var found *bucket.DamageError
	var stored *store.Error
	if errors.As(err, &stored) {
		key = stored.Key
	}
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &found):
		return &DamageError{File: found.Key, Offset: offset, Expected: found.Expected, Found: found.Found}
	}
	return &DamageError{File: key, Offset: offset, Expected: "an object that can be read", Found: err.Error()}
}
