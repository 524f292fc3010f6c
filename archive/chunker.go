package archive

import (
	"errors"
	"io"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Part says which part of an event a chunk is.
type Part uint8

const (
	WholeEvents Part = iota
	FirstPart        // of an event larger than the buffer; at least replication.EventPrefix bytes
	MiddlePart
	LastPart
)

// chunker cuts a stretch of a file into runs of whole events, and events larger
// than its buffer into parts.
type chunker struct {
	file   io.ReaderAt
	name   string
	offset int64 // of the next byte
	left   int64 // of an event in parts
	buf    []byte
}

// next reads on up to limit, which must be an event's end. It returns io.EOF there,
// and *PositionError where no event can be read.
func (c *chunker) next(limit int64) ([]byte, Part, error) {
	if c.left > 0 {
		return c.continued()
	}
	if c.offset >= limit {
		return nil, 0, io.EOF
	}
	data, err := c.read(limit - c.offset)
	if err != nil {
		return nil, 0, err
	}
	n := 0
	for n < len(data) {
		size, err := c.eventSize(data[n:], c.offset+int64(n), limit)
		if n > 0 && (err != nil || size > int64(len(data)-n)) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if size > int64(len(data)) {
			c.offset += int64(len(data))
			c.left = size - int64(len(data))
			return data, FirstPart, nil
		}
		n += int(size)
	}
	c.offset += int64(n)
	return data[:n], WholeEvents, nil
}

var errShortHeader = errors.New("the buffer ends within a header")

func (c *chunker) eventSize(data []byte, offset, limit int64) (int64, error) {
	if len(data) < replication.HeaderSize && offset+int64(len(data)) < limit {
		return 0, errShortHeader
	}
	position := replication.Position{File: c.name, Offset: offset}
	h, err := replication.ParseHeader(data)
	if err != nil {
		return 0, &PositionError{Position: position, Size: replication.ClaimedSize(data), Limit: limit}
	}
	if size := int64(h.Size); offset+size <= limit {
		return size, nil
	}
	return 0, &PositionError{Position: position, Size: int64(h.Size), Limit: limit}
}

func (c *chunker) continued() ([]byte, Part, error) {
	data, err := c.read(c.left)
	if err != nil {
		return nil, 0, err
	}
	c.offset += int64(len(data))
	c.left -= int64(len(data))
	if c.left > 0 {
		return data, MiddlePart, nil
	}
	return data, LastPart, nil
}

func (c *chunker) read(most int64) ([]byte, error) {
	data := c.buf[:min(int64(len(c.buf)), most)]
	if n, err := c.file.ReadAt(data, c.offset); n < len(data) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return data, nil
}
