package archive

import (
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
)

// maxSmalls is how many small pieces of a file there may be before one takes their
// place: a source that writes little must not make a restore read thousands.
const maxSmalls = 64

// fileUpload is a file on its way into the bucket.
type fileUpload struct {
	u      *uploader
	seq    uint64
	name   string
	file   Handle
	cut    *cutter
	bigs   []bucket.Piece // in order, from the file's start on
	smalls []bucket.Piece // behind them
	since  time.Time      // when the oldest byte that is in no piece was seen; zero for none: when a piece is due
	bare   bool           // complete before a piece of it was stored: nothing of it is in the bucket before its sealing
	size   int64          // of the complete file; 0 before its sealing
}

func (u *uploader) openFile(seq uint64, name string) (*fileUpload, error) {
	path := u.log.filePath(name)
	h, err := u.log.fs.OpenFile(path, ReadOnly)
	if err != nil {
		return nil, &DiskError{Op: "open", File: path, Err: err}
	}
	return &fileUpload{u: u, seq: seq, name: name, file: h, cut: newCutter(h, name)}, nil
}

func (f *fileUpload) close() { f.file.Close() }

// store puts the next piece before limit into the bucket, if one is due. more says that
// there may be another.
func (f *fileUpload) store(ctx context.Context, limit int64) (more bool, err error) {
	if err := f.cut.fill(limit, false); err != nil {
		return false, &DiskError{Op: "read", File: f.u.log.filePath(f.name), Err: err}
	}
	if f.cut.full() {
		return true, f.storeBig(ctx)
	}
	now := f.u.opts.Clock.Now()
	switch {
	case !f.cut.pending():
		f.since = time.Time{}
		return false, nil
	case f.since.IsZero():
		f.since = now
	}
	if now.Sub(f.since) < f.u.opts.Interval {
		return false, nil
	}
	return false, f.storeSmall(ctx)
}

func (f *fileUpload) storeBig(ctx context.Context) error {
	s, body := f.cut.cutBig()
	p, err := f.put(ctx, s, body)
	if err != nil {
		return err
	}
	f.cut.bigStored(s.end)
	f.bigs = append(f.bigs, p)
	f.since = time.Time{}
	return f.replaceSmalls(ctx, p)
}

// storeSmall stores what there is up to the last boundary. What stands behind belongs
// to a transaction that is not complete, which nobody has seen committed.
func (f *fileUpload) storeSmall(ctx context.Context) error {
	f.since = time.Time{}
	s, body, ok := f.cut.cutSmall()
	if !ok {
		return nil
	}
	merge := len(f.smalls) >= maxSmalls
	if merge {
		s, body = f.cut.cutMerged()
	}
	p, err := f.put(ctx, s, body)
	if err != nil {
		return err
	}
	f.cut.smallStored(s.end)
	if merge {
		err = f.replaceSmalls(ctx, p)
	}
	f.smalls = append(f.smalls, p)
	return err
}

// flush stores the rest of a complete file, which ends at limit.
func (f *fileUpload) flush(ctx context.Context, limit int64) error {
	for {
		more, err := f.store(ctx, limit)
		if err != nil {
			return err
		}
		if !more {
			return f.storeSmall(ctx)
		}
	}
}

func (f *fileUpload) put(ctx context.Context, s stretch, body []byte) (bucket.Piece, error) {
	p := bucket.Piece{
		PieceID: bucket.PieceID{Timeline: f.u.log.State().Timeline, File: f.name, First: s.first, End: s.end, Epoch: f.u.lease.Epoch()},
		PieceFacts: bucket.PieceFacts{
			Known: true, Seq: f.seq, Boundary: s.boundary,
			FirstCommit: s.times.first, LastCommit: s.times.last, GTIDs: s.gtids.String(), HasGTIDs: true,
		},
	}
	if s.first == 0 {
		p.After = f.u.log.fileBefore(f.seq)
	}
	stored, err := f.u.writer.PutPiece(ctx, p, body)
	if err == nil {
		err = f.u.holds(ctx)
	}
	if err == nil {
		f.u.piecesReach(replication.Position{File: f.name, Offset: s.end})
		f.u.log.uploads.pieces.Add(1)
		f.u.log.uploads.bytes.Add(int64(len(body)))
	}
	return stored, err
}

// replaceSmalls deletes the small pieces, in whose place is by, which may be one of
// them. Those of an earlier epoch are swept when the file is sealed.
func (f *fileUpload) replaceSmalls(ctx context.Context, by bucket.Piece) error {
	own := slices.DeleteFunc(f.smalls, func(p bucket.Piece) bool {
		return p.Epoch != f.u.lease.Epoch() || p.PieceID == by.PieceID
	})
	f.smalls = nil
	if len(own) == 0 {
		return nil
	}
	return f.u.writer.DeletePieces(ctx, by, own)
}

// resume goes through the pieces that the bucket has of the file, of which size bytes
// are held, and compares them with the log: the next ones go on behind them.
func (f *fileUpload) resume(chain bucket.Chain, size int64) error {
	f.u.reached = replication.Position{File: f.name, Offset: chain.End()}
	for _, span := range chain.Spans {
		if span.To > size {
			return &BehindError{File: f.name, Held: size, Stored: chain.End()}
		}
		if err := f.cut.fill(span.To, true); err != nil {
			return &DiskError{Op: "read", File: f.u.log.filePath(f.name), Err: err}
		}
		if err := f.take(span); err != nil {
			return err
		}
	}
	return nil
}

// take counts a piece that the bucket has, if it holds what the log does. One of which
// only a part counts is not compared: sealing does not copy it.
func (f *fileUpload) take(span bucket.Span) error {
	whole := span.From == span.First && span.To == span.End
	body, ok := f.cut.bytes(span.From, span.To)
	if !ok {
		return fmt.Errorf("a piece of %s from %d to %d does not fit behind %d", f.name, span.From, span.To, f.cut.start)
	}
	if sum := crc32.Checksum(body, castagnoli); whole && sum != span.CRC32C {
		return &HistoryError{File: f.name, Offset: span.From,
			Reason: fmt.Sprintf("the bucket has CRC32C %s of the bytes up to %d, the log has %s", catalog.CRC32C(span.CRC32C), span.To, catalog.CRC32C(sum))}
	}
	// A big one may count from where its epoch begins; before that others do.
	if span.First == f.cut.start && span.To == span.End && span.Size() >= store.MinPart {
		f.cut.bigStored(span.To)
		f.bigs = append(f.bigs, span.Piece)
		f.smalls = nil
		return nil
	}
	f.cut.smallStored(span.To)
	f.smalls = append(f.smalls, span.Piece)
	return nil
}
