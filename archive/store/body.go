package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// Body is an object, or a range of it, being read. A body that ends early is
// io.ErrUnexpectedEOF or another error that is Temporary, never io.EOF. A whole
// object whose bytes do not have its sum is ErrBadSum at its end: use nothing of it.
type Body struct {
	io.ReadCloser
	Object Object
	Length int64 // of this body, in bytes
}

// NewBody is what an implementation's Get returns: length bytes of object, which r
// has. It sees to what Body promises.
func NewBody(r io.ReadCloser, object Object, length int64) *Body {
	proof := &provenReader{ReadCloser: r, object: object, left: length, check: object.HasCRC && length == object.Size}
	return &Body{ReadCloser: proof, Object: object, Length: length}
}

// provenReader counts and sums what is read.
type provenReader struct {
	io.ReadCloser
	object Object
	left   int64
	check  bool
	sum    uint32
}

func (r *provenReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.left -= int64(n)
	if r.check {
		r.sum = crc32c.Update(r.sum, p[:n])
	}
	if err != io.EOF {
		return n, err
	}
	return n, r.end()
}

// end is what the end of the bytes means.
func (r *provenReader) end() error {
	switch {
	case r.left > 0:
		return io.ErrUnexpectedEOF
	case r.left < 0:
		return &Error{Op: "get", Key: r.object.Key, Kind: ErrBadSum, Cause: errors.New("more bytes came than were announced")}
	case r.check && r.sum != r.object.CRC32C:
		return &Error{Op: "get", Key: r.object.Key, Kind: ErrBadSum, Cause: fmt.Errorf("CRC32C %08x, the object's is %08x", r.sum, r.object.CRC32C)}
	}
	return io.EOF
}

// ReadAll reads an object into memory, if it has at most max bytes.
func ReadAll(ctx context.Context, s Objects, key string, max int64) ([]byte, Object, error) {
	body, err := s.Get(ctx, key, Range{})
	if err != nil {
		return nil, Object{}, err
	}
	defer body.Close()
	if body.Length > max {
		return nil, Object{}, &Error{Op: "get", Key: key, Cause: fmt.Errorf("it has %d bytes, at most %d are expected", body.Length, max)}
	}
	data, err := io.ReadAll(body)
	return data, body.Object, err
}
