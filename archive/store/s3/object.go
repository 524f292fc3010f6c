package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// sumHeader carries a CRC32C: of a body, a part, or a whole object.
const sumHeader = "x-amz-checksum-crc32c"

// Put implements store.Objects.
func (s *Store) Put(ctx context.Context, key string, data []byte, opts store.PutOptions) (store.Object, error) {
	if err := s.check("put", key, opts.Meta); err != nil {
		return store.Object{}, err
	}
	sum := opts.CRC32C
	if !opts.HasCRC {
		sum = crc32c.Of(data)
	}
	headers := map[string]string{sumHeader: encodeSum(sum)}
	maps.Copy(headers, opts.Meta)
	put := minio.PutObjectOptions{
		UserMetadata: headers, ServerSideEncryption: s.sse, StorageClass: s.bucket.StorageClass, DisableContentSha256: true,
	}
	setCondition(&put, opts.If)
	body := lend(data)
	defer body.takeBack()
	info, err := s.core.PutObject(ctx, s.bucket.Name, s.key(key), body, int64(len(data)), "", "", put)
	if err != nil {
		return store.Object{}, s.explainWrite(ctx, "put", key, opts.If, err)
	}
	return store.Object{
		Key: key, ETag: info.ETag, Size: int64(len(data)), CRC32C: sum, HasCRC: true, Meta: opts.Meta, Modified: time.Now(),
	}, nil
}

func setCondition(opts *minio.PutObjectOptions, cond store.Condition) {
	switch {
	case cond.Absent():
		opts.SetMatchETagExcept("*")
	case cond.ETag() != "":
		opts.SetMatchETag(cond.ETag())
	}
}

// Get implements store.Objects.
func (s *Store) Get(ctx context.Context, key string, r store.Range) (*store.Body, error) {
	if err := s.check("get", key, nil); err != nil {
		return nil, err
	}
	var opts minio.GetObjectOptions
	opts.Set("x-amz-checksum-mode", "ENABLED") // not opts.Checksum, whose errors have no type
	switch {
	case r.Offset < 0:
		return nil, &store.Error{Op: "get", Key: key, Kind: store.ErrRange}
	case r.Length > 0:
		opts.Set("Range", fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1))
	case r.Offset > 0:
		opts.Set("Range", fmt.Sprintf("bytes=%d-", r.Offset))
	}
	if r.IfMatch != "" {
		opts.Set("If-Match", `"`+r.IfMatch+`"`)
	}
	stream, info, header, err := s.core.GetObject(ctx, s.bucket.Name, s.key(key), opts)
	if err != nil {
		return nil, s.explain(ctx, "get", key, err)
	}
	object := s.object(key, info)
	length := info.Size
	if length < 0 {
		err = &store.Error{Op: "get", Key: key, Cause: errors.New("the answer does not say how long it is")}
	} else if !r.Whole() {
		object.Size, err = wholeSize(header, r)
		object.HasCRC = object.HasCRC && length == object.Size // some stores answer with the sum of a part
	}
	if err == nil && r.IfMatch != "" && object.ETag != r.IfMatch {
		err = &store.Error{Op: "get", Key: key, Kind: store.ErrCondition} // some stores ignore If-Match here
	}
	if err != nil {
		stream.Close()
		return nil, s.explain(ctx, "get", key, err)
	}
	return store.NewBody(&body{ReadCloser: stream, ctx: ctx, s: s, key: key}, object, length), nil
}

// wholeSize is the size of the object of which a range is answered:
// "Content-Range: bytes 5-9/100". A store that sends another range than it was
// asked for is refused.
func wholeSize(header http.Header, r store.Range) (int64, error) {
	text := header.Get("Content-Range")
	span, whole, _ := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	size, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || first != strconv.FormatInt(r.Offset, 10) {
		return 0, &store.Error{Op: "get", Cause: fmt.Errorf("asked for bytes from %d on, the answer has %q", r.Offset, text)}
	}
	return size, nil
}

// Head implements store.Objects.
func (s *Store) Head(ctx context.Context, key string) (store.Object, error) {
	if err := s.check("head", key, nil); err != nil {
		return store.Object{}, err
	}
	info, err := s.core.StatObject(ctx, s.bucket.Name, s.key(key), minio.StatObjectOptions{Checksum: true})
	switch minio.ToErrorResponse(err).StatusCode {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound:
		return s.headByGet(ctx, key)
	}
	if err != nil {
		return store.Object{}, s.explain(ctx, "head", key, err)
	}
	return s.object(key, info), nil
}

// headByGet asks again by GET: the answer to a HEAD has no body that says why it was
// refused, and a bucket or a user that does not exist is a 404 like a missing object.
func (s *Store) headByGet(ctx context.Context, key string) (store.Object, error) {
	body, err := s.Get(ctx, key, store.Range{})
	if err != nil {
		return store.Object{}, err
	}
	return body.Object, body.Close()
}

// Delete implements store.Objects.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.check("delete", key, nil); err != nil {
		return err
	}
	err := s.core.RemoveObject(ctx, s.bucket.Name, s.key(key), minio.RemoveObjectOptions{})
	if minio.ToErrorResponse(err).Code == "NoSuchKey" {
		return nil
	}
	return s.explain(ctx, "delete", key, err)
}

// object is what minio-go says of the object key.
func (s *Store) object(key string, info minio.ObjectInfo) store.Object {
	o := store.Object{Key: key, ETag: info.ETag, Size: info.Size, Modified: info.LastModified}
	o.CRC32C, o.HasCRC = decodeSum(info.ChecksumCRC32C)
	if len(info.UserMetadata) > 0 {
		o.Meta = make(map[string]string, len(info.UserMetadata))
		for name, value := range info.UserMetadata {
			o.Meta[strings.ToLower(name)] = value
		}
	}
	return o
}

func encodeSum(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// decodeSum is false for none, and for the sum of a multipart upload's sums, which
// has the number of parts behind it.
func decodeSum(text string) (sum uint32, ok bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b), true
}
