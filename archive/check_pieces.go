package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
)

// pieces reads all pieces, those that do not count too, and then the files that they make.
func (c *bucketChecker) pieces(ctx context.Context) error {
	bad := map[string]bool{}
	for _, o := range c.objects {
		id, piece := c.b.ParsePieceKey(o.Key)
		if !piece || !c.wants(File{Name: id.File}) {
			continue
		}
		c.done.Object = o.Key
		damage, err := c.piece(ctx, id)
		if err != nil {
			return err
		}
		if damage != nil {
			bad[o.Key] = true
			c.reportDamage(damage)
		}
	}
	if c.tailErr != nil {
		if damage := asDamage(c.tailErr); !bad[damage.File] {
			c.reportDamage(damage)
		}
		return nil
	}
	if c.tail == nil {
		return nil
	}
	return c.settledChains(ctx, bad)
}

// readTries is how often a piece is read before it is damaged, or cannot be read.
const readTries = 3

// piece reads a piece and compares it with its metadata. One that is gone was replaced by
// a larger one, or its file is sealed.
func (c *bucketChecker) piece(ctx context.Context, id bucket.PieceID) (*DamageError, error) {
	for try := 1; ; try++ {
		read := c.done.Bytes
		err := c.drain(ctx, id)
		c.done.Bytes = read + id.Size()
		switch {
		case err == nil || errors.Is(err, store.ErrNotFound):
			return nil, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case try < readTries && (store.Temporary(err) || isDamage(err)):
			c.done.Bytes = read
		case isDamage(err):
			var damage *DamageError
			errors.As(damagedObject(err, c.b.PieceKey(id), id.First), &damage)
			return damage, nil
		default:
			return nil, err
		}
	}
}

func (c *bucketChecker) drain(ctx context.Context, id bucket.PieceID) error {
	_, body, err := c.b.OpenPiece(ctx, bucket.Piece{PieceID: id})
	if err != nil {
		return err
	}
	_, err = io.Copy(progressWriter{c}, body)
	return errors.Join(err, body.Close())
}

// progressWriter counts what is read of pieces.
type progressWriter struct{ c *bucketChecker }

func (w progressWriter) Write(p []byte) (int, error) {
	w.c.progress(int64(len(p)))
	return len(p), nil
}

// settledChains checks the files in pieces. What is found is believed when they are still
// in the same pieces afterwards.
func (c *bucketChecker) settledChains(ctx context.Context, bad map[string]bool) error {
	before, tail, files := c.before, c.tail, c.done.Files
	for try := 1; ; try++ {
		c.before, c.done.Files = before, files
		found, err := c.chains(ctx, tail, bad)
		if err != nil || len(found) == 0 {
			return err
		}
		again, err := c.b.Tail(ctx, tail.Catalog)
		if err != nil && !isDamage(err) {
			return err
		}
		if err != nil || samePieces(tail, again) || try == maxOpenTries {
			for _, f := range found {
				c.report(f)
			}
			return nil
		}
		tail = again
	}
}

func samePieces(a, b *bucket.Tail) bool {
	return slices.EqualFunc(a.Chains, b.Chains, func(x, y bucket.Chain) bool {
		return x.File == y.File && slices.EqualFunc(x.Spans, y.Spans, func(s, t bucket.Span) bool {
			return s.PieceID == t.PieceID && s.ETag == t.ETag
		})
	})
}

// chains gives what is found in the files in pieces.
func (c *bucketChecker) chains(ctx context.Context, tail *bucket.Tail, bad map[string]bool) (found []Finding, err error) {
	report, findings := c.check.Report, c.done.Findings
	c.check.Report = func(f Finding) { found = append(found, f) }
	defer func() { c.check.Report, c.done.Findings = report, findings }()
	p := &plan{}
	p.addChains(c.b, tail.Chains)
	for i, f := range p.fetched {
		broken := slices.ContainsFunc(f.parts, func(p part) bool { return bad[p.key] })
		if !c.wants(File{Seq: f.begin.Seq, Name: f.begin.Name}) || broken {
			c.before = nil
			continue
		}
		next := ""
		if i+1 < len(p.fetched) {
			next = p.fetched[i+1].begin.Name
		}
		if err := c.chain(ctx, f, next); err != nil {
			return nil, err
		}
		c.done.Files++
	}
	return found, nil
}

// chain reads the events of a file in pieces, and compares them with what the pieces'
// metadata say.
func (c *bucketChecker) chain(ctx context.Context, f *fetchedFile, next string) error {
	before := c.before
	c.before = nil
	objects, err := openObjects(c.a.opts.Remote, f.objects())
	if err != nil {
		return err
	}
	defer objects.Close()
	of := newOpenFile(f.begin.Seq, f.begin.Name, c.a.opts.IndexEvery)
	s := c.a.newScanner(of, objects)
	for i := range f.parts {
		if ok, err := c.facts(ctx, f, s, &f.parts[i]); err != nil || !ok {
			return err
		}
	}
	if ok, err := c.scan(ctx, f, s, f.end); err != nil || !ok {
		return err
	}
	c.compareChain(target{file: File{Seq: of.seq, Name: of.name}, size: f.end, names: names{file: f.objectAt(0)}, next: next}, of, before)
	return nil
}

// scan reads on to an offset. It reports damage, which is not ok.
func (c *bucketChecker) scan(ctx context.Context, f *fetchedFile, s *scanner, to int64) (ok bool, err error) {
	if to <= s.of.end.offset {
		return true, nil
	}
	err = s.run(ctx.Err, to)
	if err == nil {
		return true, nil
	}
	if err = c.a.remoteDamage(f, s.of, err); !isDamage(err) {
		return false, err
	}
	c.reportDamage(asDamage(err))
	return false, nil
}

// facts reads up to a piece's last boundary. Of a piece that counts as a whole, the events
// must be those that its metadata know of.
func (c *bucketChecker) facts(ctx context.Context, f *fetchedFile, s *scanner, p *part) (ok bool, err error) {
	had := s.of.added.Clone()
	if ok, err := c.scan(ctx, f, s, min(p.piece.Boundary, p.to, f.end)); err != nil || !ok {
		return ok, err
	}
	if p.from != p.first || p.to != p.piece.End {
		return true, nil
	}
	if said := p.piece.Boundary; said > replication.FirstEventOffset && said != s.of.end.boundary {
		c.report(Finding{p.key, 0, fmt.Sprintf("a boundary at %d, as its metadata say", said), fmt.Sprintf("the last one is at %d", s.of.end.boundary)})
		return false, nil
	}
	if added := s.of.added.Subtract(had); p.piece.HasGTIDs && added.String() != p.piece.GTIDs {
		c.report(Finding{p.key, 0, fmt.Sprintf("the transactions %q, as its metadata say", p.piece.GTIDs), fmt.Sprintf("%q", added)})
		return false, nil
	}
	return true, nil
}
