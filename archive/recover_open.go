package archive

import (
	"context"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// openHeld opens a file that the catalog knows. Its directory entry was durable
// before that, so that a missing file is damage; a missing index is not, as long
// as the bytes prove themselves: storeIndex makes it anew.
func (l *Log) openHeld(h heldFile) (*openFile, error) {
	of := newOpenFile(h.begin.Seq, h.begin.Name, l.opts.IndexEvery)
	name := l.filePath(of.name)
	var err error
	if of.data, err = l.fs.OpenFile(name, ReadWrite); isNotExist(err) {
		return nil, &DamageError{File: name, Expected: "a file that the catalog lists", Found: "no such file"}
	}
	if err != nil {
		return nil, unreadable("open", name, err)
	}
	if of.idx, err = l.heldIndex(of.name); err != nil {
		of.close()
		return nil, err
	}
	if of.idx == nil {
		return of, nil
	}
	if every, ok := storedEvery(of.idx); ok {
		of.every = every
	}
	return of, nil
}

// recoverComplete reads a file that is complete but not sealed, and has it sealed.
// proof is what the next file's record says of it, if there is one, cut where it ends
// at a gap.
func (l *Log) recoverComplete(ctx context.Context, h heldFile, proof *catalog.FileProof, cut *Gap) error {
	of, err := l.openHeld(h)
	if err != nil {
		return err
	}
	defer of.close()
	name, s := l.filePath(of.name), l.newScanner(of, of.data)
	end, size, err := l.scanWhole(ctx, s, proof, cut)
	var info File
	if err == nil && end != size {
		err = &DamageError{File: name, Offset: min(end, size), Expected: fmt.Sprintf("%d bytes", end), Found: fmt.Sprintf("%d bytes", size)}
	}
	if err == nil && proof != nil && of.sum.file() != uint32(proof.CRC32C) {
		err = &DamageError{File: name, Expected: fmt.Sprintf("%d bytes with CRC32C %s", end, proof.CRC32C), Found: "CRC32C " + catalog.CRC32C(of.sum.file()).String()}
	}
	if err != nil {
		l.showDamaged(of)
		return err
	}
	of.finish()
	rebuilt, err := l.rebuildIndex(of, replication.FirstEventOffset)
	if err != nil {
		return err
	}
	missing := []byte(nil) // of the index, where it cannot be written: the sealer tries again
	if err := l.storeIndex(of, rebuilt); err != nil {
		missing = rebuilt
		if err := l.postpone(err); err != nil {
			return err
		}
	}
	var c *Cut
	if cut != nil {
		c = &Cut{Offset: cut.From.Offset, Reason: cut.Reason}
	}
	m := of.describe(l.source.Epoch, c)
	if info, err = fileOf(&m); err != nil {
		return err
	}
	info.Sealed, info.Local = false, true
	l.showRecovered(info, of.added, of.end.offset)
	l.sealer.queue = append(l.sealer.queue, &sealing{Manifest: m, index: missing})
	l.logger.Info("a complete file will be sealed", "file", name)
	return nil
}

// scanWhole reads a complete file to the end that is known of it.
func (l *Log) scanWhole(ctx context.Context, s *scanner, proof *catalog.FileProof, cut *Gap) (end, size int64, err error) {
	if size, err = s.of.data.Size(); err != nil {
		return 0, 0, unreadable("stat", l.filePath(s.of.name), err)
	}
	if cut != nil {
		end = cut.Size
	} else {
		end = proof.Size
	}
	if err = s.run(ctx.Err, min(end, size)); err != nil {
		err = s.unreadable(l.filePath(s.of.name), err)
	}
	return end, size, err
}

// recoverLast reads the file that was being written, or, if a gap is recorded
// behind it, cut.
func (l *Log) recoverLast(ctx context.Context, h heldFile, m mark, markDamaged bool) error {
	if gap, ok := l.gapBehind(h.begin.Seq); ok {
		return l.recoverCut(ctx, h, gap)
	}
	if l.restored.head != nil {
		l.goOnWith(l.cur, l.cur.end.offset)
		l.publishFile(l.cur)
		return nil
	}
	of, err := l.openHeld(h)
	if err != nil {
		return err
	}
	size, err := of.data.Size()
	if err != nil {
		of.close()
		return unreadable("stat", l.filePath(of.name), err)
	}
	if m.fileSeq != of.seq {
		m = mark{fileSeq: of.seq, file: of.name, offset: replication.FirstEventOffset}
	}
	proven, err := l.recoverTail(ctx, of, size, m, markDamaged)
	shown := of
	if !proven {
		shown = l.readAgain(ctx, of, m.offset)
	}
	if err != nil {
		l.showDamaged(shown)
	}
	if err := l.postpone(err); err != nil {
		of.close()
		return err
	}
	l.goOnWith(of, m.offset)
	if err == nil {
		l.publishFile(of)
	}
	return nil
}

// goOnWith lets the receiving side go on with a file, of which what stands before floor
// is proven.
func (l *Log) goOnWith(of *openFile, floor int64) {
	l.cur = of
	l.file = fileOpen
	l.in = newFollower(of.name, of.every)
	l.in.at = of.end
	l.active.reset(of.end.offset)
	l.floor = floor
	l.unproven.Store(of.end.offset > floor)
}

// readAgain gives the account of a file up to the mark, where what stands behind
// that was read and could not be proven.
func (l *Log) readAgain(ctx context.Context, of *openFile, limit int64) *openFile {
	fresh, s := l.withoutChecksums(of)
	if err := s.run(ctx.Err, limit); err != nil {
		l.logger.Error("what was read cannot be read again", "file", of.name, "err", err)
	}
	return &fresh
}

func (l *Log) recoverCut(ctx context.Context, h heldFile, gap Gap) error {
	if err := l.recoverComplete(ctx, h, nil, &gap); err != nil {
		return err
	}
	m := l.sealer.queue[len(l.sealer.queue)-1]
	l.file, l.cutProof = fileCut, &catalog.FileProof{Size: m.Size, CRC32C: m.CRC32C}
	l.in = newFollower(m.Name, l.opts.IndexEvery)
	l.in.at.offset = m.Size
	return nil
}

// recoverTail verifies a file up to the recorded mark, and behind it keeps what are
// whole valid events. The rest is torn and cut. On an error, proven says that what
// of accounts for may be shown; else that is so up to the mark only.
func (l *Log) recoverTail(ctx context.Context, of *openFile, size int64, m mark, markDamaged bool) (proven bool, err error) {
	name, s := l.filePath(of.name), l.newScanner(of, of.data)
	if err := l.recoverProven(ctx, s, m, size); err != nil && sabotaged != cutBelowMark {
		if d, ok := err.(*DamageError); ok && of.end.tracker.Checksum() == replication.ChecksumNone {
			d.Offset = l.provenBlocks(of)
		}
		return true, err
	}
	if of.end.tracker.Checksum() == replication.ChecksumNone && of.end.offset > replication.FirstEventOffset {
		if markDamaged {
			return true, &DamageError{File: markPath(l.dir), Expected: "two slots: of a file without checksums only the mark tells what was acknowledged", Found: "a damaged one"}
		}
	} else if err := s.run(ctx.Err, size); err != nil && isIOError(err) {
		return false, s.unreadable(name, err)
	} else if of.end.tracker.Checksum() == replication.ChecksumNone && of.end.offset > m.offset {
		*of, *s = l.withoutChecksums(of) // its first event was found, and no mark in the file
	}
	if end := of.end.offset; end < size {
		l.logger.Warn("cut a torn tail", "file", name, "offset", end, "bytes", size-end)
		l.counts.cutBytes.Add(size - end)
		if err := of.data.Truncate(end); err != nil {
			return false, &DiskError{Op: "truncate", File: name, Err: err}
		}
	}
	if err := rewrite(of.data, min(m.offset, of.end.offset), of.end.offset); err != nil {
		return false, &DiskError{Op: "write", File: name, Err: err}
	}
	if err := syncFile(of.data); err != nil {
		return false, l.diskError("fsync", name, err)
	}
	rebuilt, err := l.rebuildIndex(of, m.offset)
	if err != nil {
		return true, err
	}
	if err := l.rewriteMark(m); err != nil {
		return true, err
	}
	return true, l.postpone(l.storeIndex(of, rebuilt)) // Resume rebuilds it again
}

// rewriteMark makes the mark that was found durable: it may only have been in the
// page cache, and what is about to be published may rest on it.
func (l *Log) rewriteMark(m mark) error {
	if m.sequence == 0 {
		return nil
	}
	return l.writeMark(markPath(l.dir), m)
}

// rewrite writes a stretch of a file over itself. Were it written by a process
// whose fsync then failed, the page cache would show it, and an fsync of ours would
// succeed without putting it on the disk.
func rewrite(f Handle, from, to int64) error {
	buf := make([]byte, min(to-from, 1<<20))
	for from < to {
		p := buf[:min(to-from, int64(len(buf)))]
		if n, err := f.ReadAt(p, from); n < len(p) {
			return err
		}
		if err := writeAt(f, p, from); err != nil {
			return err
		}
		from += int64(len(p))
	}
	return nil
}

// withoutChecksums begins the account of a file anew: behind its magic number
// nothing was acknowledged.
func (l *Log) withoutChecksums(of *openFile) (openFile, scanner) {
	fresh := newOpenFile(of.seq, of.name, of.every)
	fresh.data, fresh.idx = of.data, of.idx
	return *fresh, *l.newScanner(fresh, fresh.data)
}

// recoverProven reads what stands before the mark; all of it must verify.
func (l *Log) recoverProven(ctx context.Context, s *scanner, m mark, size int64) error {
	name := l.filePath(s.of.name)
	err := s.run(ctx.Err, min(m.offset, size))
	switch {
	case err != nil:
		return s.unreadable(name, err)
	case size < m.offset:
		return &DamageError{File: name, Offset: size, Expected: fmt.Sprintf("%d bytes, which MARK proves durable", m.offset), Found: fmt.Sprintf("%d bytes", size)}
	case m.sequence > 0 && (s.of.end.block != m.block || s.of.sum.block != m.blockCRC):
		return &DamageError{File: name, Offset: m.block, Expected: fmt.Sprintf("CRC32C %s of the bytes up to %d", catalog.CRC32C(m.blockCRC), m.offset),
			Found: fmt.Sprintf("CRC32C %s of those from %d", catalog.CRC32C(s.of.sum.block), s.of.end.block)}
	}
	return nil
}
