package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Piece is an immutable run of bytes of a file that is not sealed yet.
type Piece struct {
	PieceID
	ETag string // of the object; "" before it is written
	PieceFacts
}

// PieceFacts stand in the metadata of a piece's object. A listing does not know them:
// see Describe.
type PieceFacts struct {
	Known bool // the others are set

	Seq         uint64 // of the file in its timeline
	CRC32C      uint32 // of the piece
	Boundary    int64  // last place in the file, at or before End, where no transaction is open; 0 = none
	FirstCommit int64  // smallest commit time of the transactions that end in it, microseconds since 1970; 0 = none
	LastCommit  int64  // largest
	GTIDs       string // of these transactions
	HasGTIDs    bool   // false where they take more than 1 KiB of text: read the piece

	// After is the file before, of a piece at offset 0; nil where the timeline has none. It
	// proves that the pieces of that file are all there.
	After *After
}

// After is what the file before a file holds when it is complete.
type After struct {
	Name string
	catalog.FileProof
}

// maxGTIDs is how many bytes of text GTIDs may have in metadata.
const maxGTIDs = 1024

// Names in a piece's metadata.
const (
	metaFormat      = "format"
	metaSeq         = "seq"
	metaCRC         = "crc32c"
	metaBoundary    = "boundary"
	metaFirstCommit = "first-commit-us"
	metaLastCommit  = "last-commit-us"
	metaGTIDs       = "gtids"
	metaAfter       = "after" // size, CRC32C and name, with a space between them
)

func (f PieceFacts) meta() map[string]string {
	meta := map[string]string{
		metaFormat:      strconv.Itoa(catalog.Version),
		metaSeq:         strconv.FormatUint(f.Seq, 10),
		metaCRC:         catalog.CRC32C(f.CRC32C).String(),
		metaBoundary:    strconv.FormatInt(f.Boundary, 10),
		metaFirstCommit: strconv.FormatInt(f.FirstCommit, 10),
		metaLastCommit:  strconv.FormatInt(f.LastCommit, 10),
	}
	if f.HasGTIDs && len(f.GTIDs) <= maxGTIDs {
		meta[metaGTIDs] = f.GTIDs
	}
	if f.After != nil {
		meta[metaAfter] = fmt.Sprintf("%d %s %s", f.After.Size, f.After.CRC32C, f.After.Name)
	}
	return meta
}

// parseFacts is the inverse of meta. An empty GTID set may come back as absent: stores
// drop empty values.
func parseFacts(meta map[string]string) (PieceFacts, error) {
	var errs []error
	number := func(name string) int64 {
		n, err := strconv.ParseInt(meta[name], 10, 64)
		if err != nil || n < 0 {
			errs = append(errs, fmt.Errorf("%s %q", name, meta[name]))
		}
		return n
	}
	if version := number(metaFormat); version > catalog.Version {
		return PieceFacts{}, &catalog.VersionError{Version: int(version)}
	}
	f := PieceFacts{
		Known: true, Seq: uint64(number(metaSeq)), Boundary: number(metaBoundary),
		FirstCommit: number(metaFirstCommit), LastCommit: number(metaLastCommit),
	}
	var sum catalog.CRC32C
	errs = append(errs, sum.UnmarshalText([]byte(meta[metaCRC])))
	f.CRC32C = uint32(sum)
	f.GTIDs, f.HasGTIDs = meta[metaGTIDs]
	if text, ok := meta[metaAfter]; ok {
		after, err := parseAfter(text)
		f.After = after
		errs = append(errs, err)
	}
	return f, errors.Join(errs...)
}

func parseAfter(text string) (*After, error) {
	fields := strings.Split(text, " ")
	if len(fields) != 3 {
		return nil, fmt.Errorf("after %q", text)
	}
	after := &After{Name: fields[2]}
	size, err := strconv.ParseInt(fields[0], 10, 64)
	after.Size = size
	return after, errors.Join(err, after.CRC32C.UnmarshalText([]byte(fields[1])), replication.ValidFileName(after.Name))
}

// Describe asks the store for a piece's facts. It is store.ErrNotFound where the piece is
// gone, which is no loss if a larger one has replaced it meanwhile.
func (b *Bucket) Describe(ctx context.Context, p Piece) (Piece, error) {
	object, err := b.store.Head(ctx, b.PieceKey(p.PieceID))
	if err != nil {
		return Piece{}, err
	}
	return b.describe(p.PieceID, object)
}

func (b *Bucket) describe(id PieceID, object store.Object) (Piece, error) {
	facts, err := parseFacts(object.Meta)
	if err != nil {
		return Piece{}, damaged(b.PieceKey(id), "the metadata of a piece", err)
	}
	if facts.Boundary > id.End {
		return Piece{}, &DamageError{Key: b.PieceKey(id), Expected: "a boundary within the piece or before", Found: strconv.FormatInt(facts.Boundary, 10)}
	}
	if object.Size != id.Size() || object.HasCRC && object.CRC32C != facts.CRC32C {
		return Piece{}, &DamageError{Key: b.PieceKey(id), Expected: sizeAndSum(id.Size(), facts.CRC32C), Found: sizeAndSum(object.Size, object.CRC32C)}
	}
	return Piece{PieceID: id, ETag: object.ETag, PieceFacts: facts}, nil
}

// OpenPiece reads a piece; its facts come with it. The caller closes the reader, which
// ends with a *DamageError instead of io.EOF where size or CRC32C are not the piece's.
func (b *Bucket) OpenPiece(ctx context.Context, p Piece) (Piece, io.ReadCloser, error) {
	body, err := b.store.Get(ctx, b.PieceKey(p.PieceID), store.Range{IfMatch: p.ETag})
	if err != nil {
		return Piece{}, nil, err
	}
	described, err := b.describe(p.PieceID, body.Object)
	if err != nil {
		return Piece{}, nil, errors.Join(err, body.Close())
	}
	return described, &pieceReader{body: body, key: b.PieceKey(p.PieceID), size: p.Size(), sum: described.CRC32C}, nil
}

// pieceReader compares size and sum of what is read through it.
type pieceReader struct {
	body  io.ReadCloser
	key   string
	size  int64
	sum   uint32
	read  int64
	found uint32
}

func (r *pieceReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.read += int64(n)
	r.found = crc32c.Update(r.found, p[:n])
	if err == io.EOF && (r.read != r.size || r.found != r.sum) {
		err = &DamageError{Key: r.key, Expected: sizeAndSum(r.size, r.sum), Found: sizeAndSum(r.read, r.found)}
	}
	return n, err
}

func (r *pieceReader) Close() error { return r.body.Close() }
