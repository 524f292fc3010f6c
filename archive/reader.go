package archive

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Chunk is a run of a file's bytes.
type Chunk struct {
	File   string
	Offset int64  // of Data[0] in File
	Data   []byte // whole events; of an event larger than the reader's buffer, its next part. Others may read it too: not to be changed. Valid until the next call of Next or Release
	Part   Part
}

// Reader reads from a position on, across files, up to the published mark and on as
// that moves. One goroutine uses it; any number of readers run beside the writing
// and never hold it up.
type Reader struct {
	archive *Archive
	file    File // as it was when the reader came to it
	handle  openHandle
	chunks  chunker
	buf     *[]byte // from the pool; nil while at the tail
	proof   proof
	blocks  blocks
	behind  int                  // chunks of the file until it no longer follows the tail; 0 = it does not
	has     *replication.GTIDSet // what gaps are crossed by; nil: none is
	certain bool                 // what does not verify has been fetched again: see doubt
}

// OpenAt opens a reader at pos; pos.File "" means the first file held. Errors are
// ErrNoSuchFile, ErrPositionTooSmall (inside the magic number) and
// ErrPositionTooLarge (beyond the file's end, of the open file beyond the published
// mark). That an event starts at pos is not checked: Next finds out.
func (a *Archive) OpenAt(pos replication.Position) (*Reader, error) {
	v := a.view.Load()
	if pos.File == "" && len(v.files) > 0 {
		pos.File, pos.Offset = v.files[0].Name, max(pos.Offset, replication.FirstEventOffset)
	}
	i, err := v.find(pos)
	if err != nil {
		return nil, err
	}
	r := &Reader{archive: a}
	if err := r.open(v, i, pos.Offset); err != nil {
		return nil, err
	}
	return r, nil
}

// FileForGTIDs finds the newest file before which nothing lies that is not in set:
// a replica that has set misses nothing if it reads from there (mysqld:
// MYSQL_BIN_LOG::find_first_log_not_in_gtid_set). ErrNoSuchFile when there is none.
func (a *Archive) FileForGTIDs(set *replication.GTIDSet) (File, error) {
	v := a.view.Load()
	for i, f := range slices.Backward(v.files) {
		f.Size = v.end(i)
		if f.GTIDsBefore != nil && set.ContainsSet(f.GTIDsBefore) {
			return f, nil
		}
	}
	return File{}, ErrNoSuchFile
}

func (r *Reader) open(v *view, i int, offset int64) error {
	file := v.files[i]
	f, err := r.archive.openFile(file)
	if err != nil {
		return err
	}
	if r.handle != nil {
		r.handle.Close()
	}
	r.file, r.handle = file, f
	r.chunks = chunker{file: f, name: file.Name, offset: offset, buf: r.chunks.buf}
	r.blocks = blocks{next: r.blocks.next[:0]}
	r.proof = proof{checksum: file.Checksum, trusted: offset == replication.FirstEventOffset}
	return nil
}

// Next gives the next bytes. It never waits for the source: at the published mark
// it returns ErrTail, after which Log.Changed tells when to call it again. At the
// end of a cut file it returns a *GapError; but see CrossGaps. Every event that is read from the disk
// is verified (what comes from memory was on its way in): where the reader was opened at what cannot be an event it returns a
// *PositionError, and before damage the *DamageError, which also stops the log. What
// damage has stopped gives both that and ErrTail: nothing more will come.
func (r *Reader) Next() (Chunk, error) {
	for {
		v := r.archive.view.Load()
		i, found := slices.BinarySearchFunc(v.files, r.file.Seq, fileOrder)
		if !found {
			return Chunk{}, fmt.Errorf("%w: %s is not held any more", ErrNoSuchFile, r.chunks.name)
		}
		chunk, err := r.read(v, v.end(i))
		if err != io.EOF {
			return chunk, err
		}
		if err := r.advance(v, i); err != nil {
			return Chunk{}, err
		}
	}
}

func fileOrder(f File, seq uint64) int { return cmp.Compare(f.Seq, seq) }

// read gives the next bytes of the file before limit, or io.EOF.
func (r *Reader) read(v *view, limit int64) (Chunk, error) {
	if r.chunks.left == 0 {
		if r.chunks.offset >= limit {
			return Chunk{}, io.EOF
		}
		if data := r.fromTail(v, limit); len(data) > 0 {
			r.follows(true)
			chunk := Chunk{File: r.chunks.name, Offset: r.chunks.offset, Data: data}
			r.chunks.offset += int64(len(data))
			return chunk, nil
		}
	}
	r.follows(false)
	if r.buf == nil {
		r.buf = r.archive.buffers.Get().(*[]byte)
		r.chunks.buf = *r.buf
	}
	chunk := Chunk{File: r.chunks.name, Offset: r.chunks.offset}
	var err error
	if r.chunks.left == 0 && (r.proof.trusted || r.proof.verified) {
		if chunk.Data, limit, err = r.nextBlock(limit); len(chunk.Data) > 0 || err != nil {
			return chunk, r.explain(err)
		}
	}
	chunk.Data, chunk.Part, err = r.chunks.next(limit)
	if err == nil {
		chunk.Data, err = r.verify(chunk)
	}
	return chunk, r.explain(err)
}

// CrossGaps lets the reader go on behind the gaps of which set has all that is
// missing. Where no GTIDs say what that is, nobody has it.
func (r *Reader) CrossGaps(set *replication.GTIDSet) { r.has = set }

func (r *Reader) crosses(gap Gap) bool {
	return r.has != nil && !gap.Missing.IsEmpty() && r.has.ContainsSet(gap.Missing)
}

// advance goes from the end of files[i] to the next file.
func (r *Reader) advance(v *view, i int) error {
	gapSeq := r.file.Seq
	next := i + 1
	if v.files[i].Cut == nil {
		if next == len(v.files) {
			return r.atTail(v)
		}
		if v.files[next].Seq == r.file.Seq+1 {
			return r.open(v, next, replication.FirstEventOffset)
		}
		gapSeq = r.file.Seq + 1 // a file that was cut before its first event
	}
	last := gapSeq
	if next < len(v.files) {
		last = v.files[next].Seq - 1 // others may have been cut before their first event
	}
	for seq := gapSeq; seq <= last; seq++ {
		gap, ok := r.archive.gapBehind(seq)
		if !ok {
			return fmt.Errorf("%w: the file behind %s", ErrNoSuchFile, r.chunks.name)
		}
		if !r.crosses(gap) {
			return &GapError{Gap: gap}
		}
	}
	if next == len(v.files) {
		return r.atTail(v)
	}
	return r.open(v, next, replication.FirstEventOffset)
}

// atTail is what Next says where nothing more is published.
func (r *Reader) atTail(v *view) error {
	if v.damage != nil {
		return fmt.Errorf("%w, and nothing more will come: %w", ErrTail, v.damage)
	}
	r.Release()
	r.follows(true)
	r.proof.trusted = true // the mark stands on a boundary
	return ErrTail
}

// Release gives the memory of the last chunk back, whose Data must not be used any
// more. A reader that is released before each wait holds no buffer while it waits.
func (r *Reader) Release() {
	if r.buf != nil {
		r.archive.buffers.Put(r.buf)
		r.buf, r.chunks.buf = nil, nil
	}
}

// Position is that of the next byte that Next will return.
func (r *Reader) Position() replication.Position {
	return replication.Position{File: r.chunks.name, Offset: r.chunks.offset}
}

// Close gives back what the reader holds. It may be called more than once.
func (r *Reader) Close() error {
	r.Release()
	r.leaveTail()
	if r.handle == nil {
		return nil
	}
	err := r.handle.Close()
	r.handle = nil
	return err
}
