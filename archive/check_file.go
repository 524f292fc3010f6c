package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// checked is what a sound file says of the one that must follow it.
type checked struct {
	seq      uint64
	executed *replication.GTIDSet // before it and in it; nil where that is not known
}

// file checks one file and its index, and reads both once.
func (c *checker) file(ctx context.Context, t target) error {
	before := c.before
	c.before = nil
	h, err := c.a.openFile(t.file)
	switch damage := (*DamageError)(nil); {
	case errors.Is(err, ErrNotLocal):
		c.done.Elsewhere++
		return nil
	case errors.As(err, &damage):
		c.reportDamage(damage)
		return nil
	case err != nil:
		return err
	}
	defer h.Close()
	index, damage, err := c.readIndex(t)
	if err != nil {
		return err
	}
	file := &summedFile{openHandle: h, sums: blockSums{sha: sha256.New()}, read: c.progress}
	if damage != nil {
		c.reportDamage(damage)
	} else {
		file.sums.entries = c.index(t, index)
	}
	of, broken, err := c.events(ctx, t, file, index)
	if err != nil {
		return err
	}
	sound, other, err := c.sums(ctx, t, file)
	switch {
	case err != nil || !sound:
		return err
	case broken != nil:
		c.reportDamage(broken)
		return nil
	case other != nil:
		c.report(*other)
		return nil
	}
	c.compare(t, of, index, before)
	return nil
}

// readIndex reads all of an index, whatever the manifest says.
func (c *checker) readIndex(t target) (index []byte, damage *DamageError, err error) {
	if !c.a.inBucket {
		return c.a.readIndex(File{Seq: t.file.Seq, Name: t.file.Name}), nil, nil
	}
	h, err := openObjects(c.a.opts.Remote, []object{{to: t.sealed.IndexSize, key: t.names.index, size: t.sealed.IndexSize}})
	if err != nil {
		return nil, nil, err
	}
	defer h.Close()
	index = make([]byte, t.sealed.IndexSize)
	if _, err = h.ReadAt(index, 0); errors.As(err, &damage) {
		return nil, damage, nil
	}
	return index, nil, err
}

// index compares an index with its sum in the manifest, if it is in one: each entry has a
// sum of its own. It gives the blocks that it proves, if any.
func (c *checker) index(t target, index []byte) (proven []indexEntry) {
	m := t.sealed
	entries, _, valid, err := decodeIndex(index)
	if m == nil {
		return entriesUpTo(entries, t.size)
	}
	sum := catalog.CRC32C(crc32.Checksum(index, castagnoli))
	if int64(len(index)) == m.IndexSize && sum == m.IndexCRC32C {
		return entries
	}
	at := int64(valid)
	if err == nil {
		at = min(int64(len(index)), m.IndexSize)
	}
	c.report(Finding{t.names.index, at, fmt.Sprintf("%d bytes with CRC32C %s", m.IndexSize, m.IndexCRC32C),
		fmt.Sprintf("%d bytes with CRC32C %s", len(index), sum)})
	return nil
}

func entriesUpTo(entries []indexEntry, end int64) []indexEntry {
	n := len(entries)
	for n > 0 && entries[n-1].offset > end {
		n--
	}
	return entries[:n]
}

// summedFile sums what is read of a file for the first time, in order.
type summedFile struct {
	openHandle
	sums blockSums
	read func(bytes int64)
}

func (f *summedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.openHandle.ReadAt(p, off)
	if known := f.sums.at - off; known >= 0 && known < int64(n) {
		f.sums.write(p[known:n])
		f.read(int64(n) - known)
	}
	return n, err
}

// events reads a file's events, in of, up to damage.
func (c *checker) events(ctx context.Context, t target, file *summedFile, index []byte) (of *openFile, damage *DamageError, err error) {
	of = newOpenFile(t.file.Seq, t.file.Name, c.a.opts.IndexEvery)
	if every, ok := storedEvery(bytes.NewReader(index)); ok {
		of.every = every
	}
	s := c.a.newScanner(of, file)
	if err = s.run(ctx.Err, t.size); err == nil {
		return of, nil, nil
	}
	if away := (*RemoteError)(nil); errors.As(err, &away) {
		return nil, nil, err
	}
	name, _ := file.source(of.end.offset)
	if err = s.unreadable(name, err); errors.As(err, &damage) {
		err = nil
	}
	return of, damage, err
}

// sums reads the rest of a file, and compares its bytes with the sums of the whole, and of
// the blocks of a good index, which tell where the damage is. other is a difference of the
// whole, which the events may explain.
func (c *checker) sums(ctx context.Context, t target, file *summedFile) (sound bool, other *Finding, err error) {
	s := &file.sums
	limit := t.size + 1 // one more shows that the file is longer
	if t.last {
		limit = t.size
	}
	name, _ := file.source(0)
	for buf := make([]byte, hashBuffer); s.at < limit; {
		if err := ctx.Err(); err != nil {
			return false, nil, err
		}
		at := s.at
		_, err := file.ReadAt(buf[:min(int64(len(buf)), limit-at)], at)
		if away := (*RemoteError)(nil); errors.As(err, &away) {
			return false, nil, err
		}
		if err == io.EOF {
			break
		}
		if damage := (*DamageError)(nil); errors.As(err, &damage) {
			c.reportDamage(damage)
			return false, nil, nil
		}
		if err != nil {
			c.report(Finding{name, s.at, "bytes that can be read", err.Error()})
			return false, nil, nil
		}
	}
	switch {
	case s.at < t.size:
		c.report(Finding{name, s.at, fmt.Sprintf("%d bytes", t.size), fmt.Sprintf("%d bytes", s.at)})
	case s.at > t.size:
		c.report(Finding{name, t.size, fmt.Sprintf("%d bytes", t.size), "more"})
	}
	whole := s.at == t.size
	if m, sha := t.sealed, hex.EncodeToString(s.sha.Sum(nil)); m != nil && whole {
		if s.crc == uint32(m.CRC32C) && sha == m.SHA256 {
			return true, nil, nil // blocks that differ are those of another file's index
		}
		other = &Finding{name, 0, fmt.Sprintf("CRC32C %s, SHA-256 %s", m.CRC32C, m.SHA256), fmt.Sprintf("CRC32C %08x, SHA-256 %s", s.crc, sha)}
	}
	for _, bad := range s.bad {
		c.report(Finding{name, bad.from, fmt.Sprintf("the bytes up to %d that the index has the sums of", bad.to), "others"})
	}
	if !whole || len(s.bad) > 0 {
		return false, nil, nil
	}
	return true, other, nil
}

// compare compares what a file's events say with the manifest, the index, MARK and the
// file before.
func (c *checker) compare(t target, of *openFile, index []byte, before *checked) {
	name := t.names.file
	if t.proof != nil && of.sum.file() != uint32(t.proof.CRC32C) {
		c.report(Finding{name, 0, fmt.Sprintf("%d bytes with CRC32C %s", t.size, t.proof.CRC32C), fmt.Sprintf("CRC32C %08x", of.sum.file())})
		return
	}
	if t.last && (of.end.block != c.mark.block || of.sum.block != c.mark.blockCRC) {
		c.report(Finding{name, c.mark.block, fmt.Sprintf("CRC32C %08x of the bytes up to %d, as MARK says", c.mark.blockCRC, t.size),
			fmt.Sprintf("CRC32C %08x of those from %d", of.sum.block, of.end.block)})
		return
	}
	if !t.last {
		of.finish()
	}
	c.compareIndex(t, of, index)
	c.compareManifest(t, of)
	c.compareChain(t, of, before)
}

// compareIndex compares an index with the one that the file's events give. That of a file
// that is not sealed may have lost what was written behind MARK.
func (c *checker) compareIndex(t target, of *openFile, index []byte) {
	rebuilt := append(appendIndexHeader(nil, of.every), of.index...)
	at := 0
	for at < min(len(index), len(rebuilt)) && index[at] == rebuilt[at] {
		at++
	}
	whole := at == len(rebuilt) && (at == len(index) || t.last)
	if whole || t.sealed == nil && !t.last && at == len(index) {
		return
	}
	if m := t.sealed; m != nil && (int64(len(index)) != m.IndexSize || catalog.CRC32C(crc32.Checksum(index, castagnoli)) != m.IndexCRC32C) {
		return // reported
	}
	c.report(Finding{t.names.index, int64(at), "the index that the file's events give", "another one"})
}

func (c *checker) compareManifest(t target, of *openFile) {
	if t.sealed == nil {
		return
	}
	want, m := of.describe(t.sealed.Epoch, t.sealed.Cut), *t.sealed
	want.SHA256, want.IndexSize, want.IndexCRC32C, want.ETag = m.SHA256, m.IndexSize, m.IndexCRC32C, m.ETag
	expected, err := catalog.Record{Sealed: &want}.Append(nil)
	found, foundErr := catalog.Record{Sealed: &m}.Append(nil)
	if err != nil || foundErr != nil || !bytes.Equal(expected, found) {
		c.report(Finding{t.names.catalog, 0, "the manifest of " + m.Name + " that its events give: " + string(bytes.TrimSpace(expected)), string(bytes.TrimSpace(found))})
	}
}

// compareChain compares a file with its neighbours: it must name the one that follows, and
// go on with the transactions behind those of the one before.
func (c *checker) compareChain(t target, of *openFile, before *checked) {
	name := t.names.file
	if t.next != "" && of.end.next != t.next {
		c.report(Finding{name, t.size, "an end that leads to " + t.next, "one that leads to " + fmt.Sprintf("%q", of.end.next)})
	}
	if before != nil && before.seq+1 == t.file.Seq && before.executed != nil && of.end.previous != nil {
		if lacks := before.executed.Subtract(of.end.previous); !lacks.IsEmpty() {
			c.report(Finding{name, replication.FirstEventOffset, "PREVIOUS_GTIDS with all that was executed before", "without " + lacks.String()})
		}
	}
	c.before = &checked{seq: t.file.Seq}
	if of.end.previous != nil {
		c.before.executed = of.end.previous.Union(of.added)
	}
}
