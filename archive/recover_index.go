package archive

import (
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// rewriteIndex compares the stored index with the rebuilt one, which of.index
// holds, and writes that, durably: all of it, since after a failed fsync the page
// cache may show what the disk does not have. Entries up to proven were durable: one of them
// that reads well and says something else is damage.
func (l *Log) rewriteIndex(of *openFile, proven int64) error {
	rebuilt, err := l.rebuildIndex(of, proven)
	if err != nil {
		return err
	}
	return l.storeIndex(of, rebuilt)
}

// rebuildIndex is the part of rewriteIndex that only reads.
func (l *Log) rebuildIndex(of *openFile, proven int64) ([]byte, error) {
	name := l.indexPath(of.name)
	stored, err := readFile(l.fs, name)
	if err != nil {
		l.logger.Error("an index cannot be read", "file", name, "err", err)
		stored = nil // what cannot be read proves nothing, like what was damaged
	}
	rebuilt := append(appendIndexHeader(nil, of.every), of.index...)
	return rebuilt, l.checkIndex(of, name, stored, rebuilt, proven)
}

// heldIndex opens an index for writing; it gives nil where there is none.
func (l *Log) heldIndex(file string) (Handle, error) {
	h, err := l.fs.OpenFile(l.indexPath(file), ReadWrite)
	if isNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, l.diskError("open", l.indexPath(file), err)
	}
	return h, nil
}

func (l *Log) storeIndex(of *openFile, rebuilt []byte) error {
	name := l.indexPath(of.name)
	if of.idx == nil {
		var err error
		if of.idx, err = l.fs.OpenFile(name, Create); err != nil {
			return l.diskError("create", name, err)
		}
		if err := l.syncDir(l.timelineDir()); err != nil {
			return err
		}
	}
	if err := writeAt(of.idx, rebuilt, 0); err != nil {
		return l.diskError("write", name, err)
	}
	if err := of.idx.Truncate(int64(len(rebuilt))); err != nil {
		return l.diskError("truncate", name, err)
	}
	of.index, of.idxSize, of.idxDirty = of.index[:0], int64(len(rebuilt)), false
	return l.sync(of.idx, name)
}

func (l *Log) checkIndex(of *openFile, name string, stored, rebuilt []byte, proven int64) error {
	want, _, _, err := decodeIndex(rebuilt)
	if err != nil {
		return err
	}
	have, every, valid, err := decodeIndex(stored)
	var newer *FormatError
	if errors.As(err, &newer) {
		newer.File = name
		return newer
	}
	block := int64(0) // where the entry's block begins
	for i, w := range want {
		if w.offset > proven {
			return nil
		}
		if i >= len(have) {
			damage := &DamageError{File: name, Offset: int64(valid), Expected: fmt.Sprintf("an entry for offset %d", w.offset), Found: fmt.Sprintf("nothing readable (%v)", err)}
			if of.end.tracker.Checksum() == replication.ChecksumNone {
				return damage
			}
			l.logger.Warn("rebuilt a damaged index from events that their checksums prove", "err", damage)
			l.counts.indexRebuilt.Add(1)
			return nil
		}
		if h := have[i]; every == of.every && (h.offset != w.offset || h.block != w.block || h.boundary != w.boundary || h.times != w.times || !h.gtids.Equal(w.gtids)) {
			return &DamageError{File: l.filePath(of.name), Offset: block,
				Expected: fmt.Sprintf("the block that the index describes: up to %d, CRC32C %s, GTIDs %q", h.offset, catalog.CRC32C(h.block), h.gtids),
				Found:    fmt.Sprintf("up to %d, CRC32C %s, GTIDs %q", w.offset, catalog.CRC32C(w.block), w.gtids)}
		}
		block = w.offset
	}
	return nil
}

// provenBlocks gives the end of the blocks that are what the stored index says.
func (l *Log) provenBlocks(of *openFile) int64 {
	stored, err := readFile(l.fs, l.indexPath(of.name))
	if err != nil {
		return 0
	}
	have, _, _, _ := decodeIndex(stored)
	want, _, _, _ := decodeIndex(append(appendIndexHeader(nil, of.every), of.index...))
	end := int64(0)
	for i := range min(len(have), len(want)) {
		if have[i].offset != want[i].offset || have[i].block != want[i].block {
			break
		}
		end = want[i].offset
	}
	return end
}
