package archive

import (
	"context"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// fetchBuffer is how much of an object is in memory at once.
const fetchBuffer = 256 << 10

// fetchStep is how much of a sealed file's object one request asks for.
const fetchStep = 8 << 20

// copyFile copies a run of a file's bytes from the bucket to the disk, and says how far
// it came. They are not fsynced. Of pieces the sums are proven.
func (l *Log) copyFile(ctx context.Context, t catalog.Timeline, f *fetchedFile, from, to int64, dst Handle) (done int64, err error) {
	for _, p := range f.parts {
		for from < min(to, p.to) {
			end := min(to, p.to)
			var body io.ReadCloser
			start := p.first
			if p.piece != nil {
				_, body, err = l.opts.Bucket.OpenPiece(ctx, *p.piece)
			} else {
				start, end = from, min(end, from+fetchStep)
				body, err = l.opts.Bucket.OpenFile(ctx, t, f.manifest, start, end)
			}
			if err == nil {
				err = l.copyBody(body, start, from, end, f.begin.Name, dst)
			}
			if err != nil {
				return from, err
			}
			from = end
		}
	}
	return from, nil
}

// copyBody reads a body, which begins at offset start of the file, to its end, and writes
// what belongs between from and to.
func (l *Log) copyBody(body io.ReadCloser, start, from, to int64, name string, dst Handle) error {
	defer body.Close()
	buf := make([]byte, fetchBuffer)
	for at := start; ; {
		n, err := body.Read(buf)
		low, high := max(from, at), min(to, at+int64(n))
		if low < high {
			if err := writeAt(dst, buf[low-at:high-at], low); err != nil {
				return &DiskError{Op: "write", File: l.filePath(name), Err: err}
			}
		}
		at += int64(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fetchFrom finds the boundary from which on the end of a file is fetched before anything
// else: a place far enough before the end for what comes again from the source to be
// compared. 0 = all of the file is needed.
func (l *Log) fetchFrom(ctx context.Context, t catalog.Timeline, f *fetchedFile) (from int64, err error) {
	most := f.end - max(l.opts.CompareBack, fetchAtOnce)
	take := func(boundary int64) {
		if boundary <= most {
			from = max(from, boundary)
		}
	}
	if f.manifest == nil {
		for _, p := range f.parts {
			take(min(p.piece.Boundary, p.to))
		}
		return from, nil
	}
	b, err := l.opts.Bucket.Index(ctx, t, f.manifest)
	if err != nil {
		return 0, err
	}
	entries, _, _, err := decodeIndex(b)
	if err != nil {
		return 0, damagedObject(err, l.opts.Bucket.IndexKey(t, f.manifest.Name), 0)
	}
	for _, e := range entries {
		if e.boundary {
			take(e.offset)
		}
	}
	return from, nil
}

// fetchAtOnce is how much of the open file's end is fetched before readers and the
// receiving side are let in, at least. Tests have less.
var fetchAtOnce int64 = 8 << 20

// fetchWhole fetches a file and leaves what a log leaves that is closed: the file, its
// index, and, with marked, MARK at its end.
func (l *Log) fetchWhole(ctx context.Context, p *plan, f *fetchedFile, marked bool) error {
	of := newOpenFile(f.begin.Seq, f.begin.Name, l.opts.IndexEvery)
	defer of.close()
	if err := l.createPair(of); err != nil {
		return err
	}
	if _, err := l.copyFile(ctx, p.timeline, f, 0, f.end, of.data); err != nil {
		return err
	}
	if err := l.sync(of.data, l.filePath(of.name)); err != nil {
		return err
	}
	return l.proveFetched(ctx, p, f, of, marked)
}

// proveFetched reads a file that was fetched up to the end that the bucket has.
func (l *Log) proveFetched(ctx context.Context, p *plan, f *fetchedFile, of *openFile, marked bool) error {
	s := l.newScanner(of, of.data)
	if err := s.run(ctx.Err, f.end); err != nil {
		return l.fetchedDamage(f, s.damage(l.filePath(of.name), err))
	}
	if m := f.manifest; m != nil && f.end == m.Size && of.sum.file() != uint32(m.CRC32C) {
		return &DamageError{File: f.objectAt(0), Expected: "CRC32C " + m.CRC32C.String(), Found: catalog.CRC32C(of.sum.file()).String()}
	}
	if err := l.storeIndex(of, append(appendIndexHeader(nil, of.every), of.index...)); err != nil {
		return err
	}
	if !marked {
		return nil
	}
	return l.markFetched(len(p.source.Timelines), of)
}

// markFetched lets MARK prove what was fetched, unless it proves more.
func (l *Log) markFetched(timeline int, of *openFile) error {
	last := l.mark.last
	if last.fileSeq == of.seq && last.offset >= of.end.offset || of.end.offset == replication.FirstEventOffset {
		return nil
	}
	m := mark{
		sequence: last.sequence + 1, timeline: uint32(timeline),
		fileSeq: of.seq, file: of.name, offset: of.end.offset, block: of.end.block, blockCRC: of.sum.block,
	}
	if err := l.writeMark(markPath(l.dir), m); err != nil {
		return err
	}
	l.mark.last = m
	return nil
}

// fetchedDamage names the object whose bytes do not verify, instead of the file that
// they were copied to.
func (l *Log) fetchedDamage(f *fetchedFile, err error) error {
	if d, ok := err.(*DamageError); ok && d.Offset < f.end {
		d.File = f.objectAt(d.Offset)
	}
	return err
}
