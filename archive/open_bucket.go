package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// OpenBucket opens what opts.Bucket holds of a source for reading, also beside the process
// that writes there: it takes no lease and changes nothing. Nothing is looked for on the
// disk. Sealed files are what the catalog says of them and are not looked at; a file that
// is only in pieces is shown up to its last transaction boundary. It stays so: Changed tells
// of nothing, and a reader's ErrTail is final.
//
// Of the options, Bucket and Remote are needed, Logger and ReadBuffer count. Errors are
// those of the store, and of package bucket for damage of source.json or the catalog. Where
// pieces are damaged, what stands before them is shown, and State().Stopped has the
// *DamageError.
func OpenBucket(ctx context.Context, opts Options) (*Archive, error) {
	opts = opts.withDefaults()
	for try := 1; ; try++ {
		a := &Archive{inBucket: true}
		a.init(opts)
		p, err := readBucket(ctx, opts.Bucket)
		if err != nil || p == nil {
			return a, err
		}
		err = a.showBucket(ctx, p)
		if err == nil {
			return a, nil
		}
		// A piece that vanishes has been replaced by a larger one, or by the sealed file.
		if permanent(err) && try < maxOpenTries {
			continue
		}
		return a.without(err)
	}
}

// showBucket shows what a plan has, in order.
func (a *Archive) showBucket(ctx context.Context, p *plan) error {
	p.dropGap()
	a.publish(func(v *view) { v.Timeline = p.timeline.Dir() })
	a.showSource(p.source)
	for i := range p.sealed {
		m := &p.sealed[i]
		if err := a.showManifest(heldFile{sealed: m, stored: &catalog.Stored{Seq: m.Seq, ETag: m.ETag}}, false); err != nil {
			return err
		}
	}
	for _, f := range p.fetched {
		if err := a.showPieces(ctx, f); err != nil {
			return err
		}
	}
	return p.damage
}

// showPieces shows a file from what its first events and the facts of its pieces say.
func (a *Archive) showPieces(ctx context.Context, f *fetchedFile) error {
	objects, err := openObjects(a.opts.Remote, f.objects())
	if err != nil {
		return err
	}
	defer objects.Close()
	of := newOpenFile(f.begin.Seq, f.begin.Name, a.opts.IndexEvery)
	end, err := headEndOf(objects)
	if err != nil {
		return err
	}
	if err := a.newScanner(of, objects).run(ctx.Err, min(end, f.end)); err != nil {
		return a.remoteDamage(f, of, err)
	}
	added, err := a.gtidsBefore(ctx, f, of, objects, f.end)
	if err != nil {
		return err
	}
	a.showRecovered(File{
		Seq: f.begin.Seq, Name: f.begin.Name, Size: f.end, Stored: true, GTIDsBefore: of.end.previous,
		ServerVersion: of.end.format.ServerVersion, Checksum: of.end.format.Checksum,
		Anonymous: true, // it is not said that there are none
		pieces:    f.parts,
	}, added, f.end)
	return nil
}

// openInBucket opens a file's bytes where nothing is on the disk.
func (a *Archive) openInBucket(f File) (openHandle, error) {
	if f.pieces == nil {
		return a.openStored(f)
	}
	h, err := openObjects(a.opts.Remote, (&fetchedFile{parts: f.pieces}).objects())
	if err != nil {
		return nil, err
	}
	return piecesHandle{h}, nil
}

// piecesHandle reads a file in pieces, which whoever writes may replace meanwhile.
type piecesHandle struct{ *objectsHandle }

// ReadAt gives a *RemoteError for a piece that is not there any more: opened again, the file
// is in other pieces.
func (h piecesHandle) ReadAt(p []byte, off int64) (int, error) {
	n, err := h.objectsHandle.ReadAt(p, off)
	if damage := (*DamageError)(nil); errors.As(err, &damage) {
		err = &RemoteError{Key: damage.File, Err: fmt.Errorf("it was replaced meanwhile, or is damaged (%s): open the archive again", damage.Found)}
	}
	return n, err
}

// pieceRecords says of pieces what an index says of blocks, up to the first one whose
// GTIDs are not in its facts.
func pieceRecords(parts []part) (records []indexRecord) {
	last := replication.FirstEventOffset
	for _, p := range parts {
		if !p.piece.HasGTIDs || p.to < p.piece.End {
			break
		}
		if end := p.piece.Boundary; end > last {
			last = end
			records = append(records, indexRecord{end: end, boundary: true, times: timeSpan{p.piece.FirstCommit, p.piece.LastCommit}, gtids: []byte(p.piece.GTIDs)})
		}
	}
	return records
}
