package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/binlogproxy/binlogproxy/replication"
)

// scanner reads a file event by event, verifies what carries a checksum, and
// rebuilds in its openFile what the committer knew.
type scanner struct {
	of     *openFile
	f      follower
	chunks chunker
	b      batch

	crc    uint32 // of the event in parts
	stored uint32 // as it ends
}

// newScanner goes on behind what of accounts for.
func (a *Archive) newScanner(of *openFile, file io.ReaderAt) *scanner {
	s := &scanner{
		of: of, f: newFollower(of.name, of.every),
		chunks: chunker{file: file, name: of.name, offset: of.end.offset, buf: make([]byte, a.opts.ReadBuffer)},
	}
	s.f.at = of.end
	return s
}

// run goes on to limit. An error says why the bytes behind s.of.end are not the
// next events, or is what interrupted gave, which is asked before each buffer; it
// may be run again from there.
func (s *scanner) run(interrupted func() error, limit int64) error {
	if s.of.end.offset == replication.FirstEventOffset {
		var magic [4]byte
		if n, err := s.chunks.file.ReadAt(magic[:], 0); n < len(magic) || magic != replication.FileMagic {
			return badMagic(magic[:n], err)
		}
	}
	for {
		if err := interrupted(); err != nil {
			return err
		}
		base := s.chunks.offset
		data, part, err := s.chunks.next(limit)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			s.b.reset(base)
			s.b.data = data
			if part == WholeEvents {
				err = s.events(data)
			} else {
				err = s.part(data, part)
			}
			s.b.end = s.f.at
			if fail := s.of.absorb(&s.b); err == nil {
				err = fail
			}
		}
		if err != nil {
			s.f.abort()
			s.of.drop()
			s.chunks.offset, s.chunks.left = s.f.at.offset, 0
			return err
		}
	}
}

// errBadMagic says that a file does not begin as binlog files do.
var errBadMagic = errors.New("no binlog magic number")

func badMagic(found []byte, err error) error {
	if err != nil && err != io.EOF {
		return err
	}
	return fmt.Errorf("%w: %x", errBadMagic, found)
}

func (s *scanner) events(data []byte) error {
	for n := 0; n < len(data); {
		size := int(binary.LittleEndian.Uint32(data[n+9:]))
		event := data[n : n+size]
		if err := s.f.take(event, true); err != nil {
			s.b.data = data[:n]
			return err
		}
		err := error(nil)
		if s.f.tracker.Checksum() == replication.ChecksumCRC32 {
			err = replication.VerifyChecksum(event)
		}
		if err == nil {
			err = s.end(event)
		}
		if err != nil {
			s.b.data = data[:n]
			return err
		}
		n += size
	}
	return nil
}

// part takes a part of an event that is larger than the buffer.
func (s *scanner) part(data []byte, part Part) error {
	if err := s.f.take(data, part == LastPart); err != nil {
		return err
	}
	if part == FirstPart {
		var sum [4]byte
		if n, err := s.chunks.file.ReadAt(sum[:], s.f.at.offset+int64(s.f.header.Size)-4); n < len(sum) {
			return err
		}
		s.crc, s.stored = 0, binary.LittleEndian.Uint32(sum[:])
	}
	summed := int64(s.f.header.Size) - 4 - (s.f.seen - int64(len(data))) // bytes of data and behind that the sum covers
	s.crc = replication.UpdateCRC(s.crc, data[:max(0, min(summed, int64(len(data))))], part == FirstPart)
	if part != LastPart {
		return nil
	}
	if s.f.tracker.Checksum() == replication.ChecksumCRC32 && s.crc != s.stored {
		return &replication.ChecksumError{Type: s.f.header.Type, Size: s.f.header.Size, Expected: s.stored, Found: s.crc}
	}
	return s.end(data)
}

func (s *scanner) end(data []byte) error {
	out, err := s.f.end(data)
	if err == nil {
		s.b.note(&out)
	}
	return err
}

// damage turns what run returned into an error that names the place.
func (s *scanner) damage(name string, err error) error {
	if errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err // interrupted
	}
	d := &DamageError{File: name, Offset: s.of.end.offset, Expected: "a whole event", Found: err.Error()}
	var sum *replication.ChecksumError
	switch {
	case errors.As(err, &sum):
		d.Expected, d.Found = fmt.Sprintf("a %s event of %d bytes with CRC32 %08x", sum.Type, sum.Size, sum.Expected), fmt.Sprintf("CRC32 %08x", sum.Found)
	case errors.Is(err, errBadMagic):
		d.Offset, d.Expected = 0, "the binlog magic number"
	case isIOError(err):
		return &DiskError{Op: "read", File: name, Err: err}
	}
	return d
}

// unreadable is damage, where bytes that the disk refuses to read are damage too:
// one source is to stop there and not all to end.
func (s *scanner) unreadable(name string, err error) error {
	err = s.damage(name, err)
	if d, ok := err.(*DiskError); ok {
		return &DamageError{File: name, Offset: s.of.end.offset, Expected: "an event that can be read", Found: d.Err.Error()}
	}
	return err
}

// isIOError tells what the disk refused from what it returned.
func isIOError(err error) bool {
	var position *PositionError
	var stream *StreamError
	var sum *replication.ChecksumError
	var malformed *replication.MalformedError
	return !errors.As(err, &position) && !errors.As(err, &stream) && !errors.As(err, &sum) && !errors.As(err, &malformed) &&
		!errors.Is(err, errBadMagic) && !errors.Is(err, io.ErrUnexpectedEOF)
}
