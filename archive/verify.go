package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/binlogproxy/binlogproxy/replication"
)

// proof is what a reader knows of the file it reads, to tell damage from a
// position that was wrong from the start.
type proof struct {
	checksum replication.Checksum
	trusted  bool // an event begins where the reader stands: read from the file's start or an index entry on, so that every one must verify
	verified bool // what was read so far was events, be it that a client has put them into another one

	// The event whose parts are being read: where it starts, its CRC32 so far, the bytes still to come
	// of what that covers, and the sum at its end as far as it was read.
	start int64
	crc   uint32
	left  int64
	sum   []byte
}

// sound says that what comes next needs no check of its own: it cannot be checked, or
// events have been found up to there.
func (p *proof) sound() bool {
	return p.checksum != replication.ChecksumCRC32 || p.trusted || p.verified
}

// verify checks the events of a chunk. It returns those before the first that does
// not verify; of that one alone, the error.
func (r *Reader) verify(c Chunk) ([]byte, error) {
	p := &r.proof
	if p.checksum != replication.ChecksumCRC32 {
		return c.Data, nil
	}
	if c.Part != WholeEvents {
		return c.Data, r.verifyPart(c)
	}
	for at := 0; at < len(c.Data); {
		size := int(binary.LittleEndian.Uint32(c.Data[at+9:])) // whole events: the chunker has read their headers
		if err := replication.VerifyChecksum(c.Data[at : at+size]); err != nil {
			r.chunks.offset = c.Offset + int64(at)
			if at > 0 {
				return c.Data[:at], nil
			}
			return nil, err
		}
		at += size
	}
	p.verified = true
	return c.Data, nil
}

// verifyPart goes on with the checksum of a large event, and checks it at its end.
func (r *Reader) verifyPart(c Chunk) error {
	p := &r.proof
	first := c.Part == FirstPart
	if first {
		p.start, p.crc, p.sum = c.Offset, 0, p.sum[:0]
		p.left = int64(binary.LittleEndian.Uint32(c.Data[9:])) - int64(p.checksum.Size())
	}
	n := min(int64(len(c.Data)), p.left)
	p.crc = replication.UpdateCRC(p.crc, c.Data[:n], first)
	p.left -= n
	p.sum = append(p.sum, c.Data[n:]...)
	if c.Part != LastPart {
		return nil
	}
	if expected := binary.LittleEndian.Uint32(p.sum); expected != p.crc {
		r.chunks.offset = p.start
		return &replication.ChecksumError{Expected: expected, Found: p.crc}
	}
	return nil
}

// explain makes an error of reading or verifying what the reader's caller is told.
func (r *Reader) explain(err error) error {
	var position *PositionError
	var sum *replication.ChecksumError
	var malformed *replication.MalformedError
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.As(err, &position):
		return r.noEvent(position, err)
	case errors.As(err, &malformed): // it has no room for its checksum
		return r.noEvent(r.notAnEvent(), err)
	case errors.As(err, &sum):
		if !r.proof.trusted {
			return r.accuse(r.notAnEvent())
		}
		return r.damaged(r.chunks.offset, fmt.Sprintf("CRC32 %08x", sum.Expected), fmt.Sprintf("%08x", sum.Found))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return r.damaged(r.chunks.offset, "bytes that are held", "the end of the file")
	}
	var away *RemoteError
	var damage *DamageError
	switch {
	case errors.As(err, &damage): // an object is not the one that it was
		return r.archive.damagedStored(damage)
	case permanent(err), errors.As(err, &away):
		return err
	}
	name, _ := r.handle.source(r.chunks.offset)
	return &DiskError{Op: "read", File: name, Err: err}
}

// damaged names what does not verify.
func (r *Reader) damaged(offset int64, expected, found string) error {
	name, local := r.handle.source(offset)
	err := &DamageError{File: name, Offset: offset, Expected: expected, Found: found}
	if !local {
		return r.doubt(err)
	}
	return r.archive.damaged(err)
}

// notAnEvent says what stands where the reader stands, and looks like an event.
func (r *Reader) notAnEvent() *PositionError {
	e := &PositionError{Position: r.Position()}
	var header [replication.HeaderSize]byte
	n, _ := r.handle.ReadAt(header[:], e.Position.Offset) // what cannot be read now was read before, and is left out
	e.Size = replication.ClaimedSize(header[:n])
	v := r.archive.view.Load()
	if i, found := slices.BinarySearchFunc(v.files, r.file.Seq, fileOrder); found {
		e.Limit = v.end(i)
	}
	return e
}

// noEvent weighs a place where there should be an event and is none.
func (r *Reader) noEvent(at *PositionError, found error) error {
	if !r.proof.trusted {
		return r.accuse(at)
	}
	return r.damaged(at.Position.Offset, "an event", found.Error())
}

// accuse tells damage from a position that never was an event's, which is its
// asker's mistake: it reads the file again from its start up to there.
func (r *Reader) accuse(mistake *PositionError) error {
	proven, err := r.archive.OpenAt(replication.Position{File: r.chunks.name, Offset: replication.FirstEventOffset})
	if err != nil {
		return err
	}
	defer proven.Close()
	for proven.file.Seq == r.file.Seq && proven.chunks.offset <= r.chunks.offset {
		if _, err := proven.Next(); err != nil {
			var damage *DamageError
			var away *RemoteError
			if errors.As(err, &damage) || errors.As(err, &away) {
				return err
			}
			break
		}
	}
	return mistake
}
