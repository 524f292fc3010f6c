package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

const (
	typeHeader      = "x-amz-checksum-type"
	algorithmHeader = "x-amz-checksum-algorithm"
	wholeObject     = "FULL_OBJECT"
)

// CreateUpload implements store.Uploads.
func (s *Store) CreateUpload(ctx context.Context, key string, opts store.UploadOptions) (store.Upload, error) {
	if err := s.check("create upload", key, opts.Meta); err != nil {
		return store.Upload{}, err
	}
	headers := map[string]string{}
	if opts.Sum {
		headers[algorithmHeader], headers[typeHeader] = "CRC32C", wholeObject
	}
	maps.Copy(headers, opts.Meta)
	id, err := s.core.NewMultipartUpload(ctx, s.bucket.Name, s.key(key), minio.PutObjectOptions{
		UserMetadata: headers, ServerSideEncryption: s.sse, StorageClass: s.bucket.StorageClass,
	})
	if err == nil && id == "" {
		err = fmt.Errorf("the answer has no upload id")
	}
	if err != nil {
		return store.Upload{}, s.explain(ctx, "create upload", key, err)
	}
	return store.Upload{Key: key, ID: id, Sum: opts.Sum, Started: time.Now()}, nil
}

// PutPart implements store.Uploads. In an upload without Sum a CRC32C is not
// allowed, so that the store checks an MD5.
func (s *Store) PutPart(ctx context.Context, u store.Upload, number int, data []byte) (store.Part, error) {
	part := store.Part{Number: number, Size: int64(len(data)), CRC32C: crc32c.Of(data)}
	opts := minio.PutObjectPartOptions{DisableContentSha256: true}
	if u.Sum {
		opts.CustomHeader = http.Header{}
		opts.CustomHeader.Set(sumHeader, encodeSum(part.CRC32C))
	} else {
		sum := md5.Sum(data)
		opts.Md5Base64 = base64.StdEncoding.EncodeToString(sum[:])
	}
	body := lend(data)
	defer body.takeBack()
	answer, err := s.core.PutObjectPart(ctx, s.bucket.Name, s.key(u.Key), u.ID, number, body, part.Size, opts)
	if err != nil {
		return store.Part{}, s.explain(ctx, "put part", u.Key, err)
	}
	part.ETag = answer.ETag
	return part, nil
}

// CopyPart implements store.Uploads. Without encryption by KMS, an ETag is the MD5
// of the bytes, and proves the copy; with it, all there is is the sum.
func (s *Store) CopyPart(ctx context.Context, u store.Upload, number int, from store.Object) (store.Part, error) {
	answer, err := s.core.CopyObjectPart(ctx, s.bucket.Name, s.key(from.Key), s.bucket.Name, s.key(u.Key), u.ID, number, 0, -1,
		map[string]string{"x-amz-copy-source-if-match": `"` + from.ETag + `"`})
	if err != nil {
		return store.Part{}, s.explain(ctx, "copy part", from.Key, err)
	}
	part := store.Part{Number: number, ETag: trimQuotes(answer.ETag), Size: from.Size, CRC32C: from.CRC32C}
	sum, has := decodeSum(answer.ChecksumCRC32C)
	same := part.ETag == from.ETag
	if s.opaqueETags() {
		same = has
	}
	if !same || has && sum != from.CRC32C {
		return store.Part{}, &store.Error{Op: "copy part", Key: from.Key, Kind: store.ErrBadSum,
			Cause: fmt.Errorf("ETag %s and CRC32C %q, the original has %s and %q; a bucket that encrypts by KMS needs sse=aws:kms in its URL", part.ETag, answer.ChecksumCRC32C, from.ETag, encodeSum(from.CRC32C))}
	}
	return part, nil
}

// opaqueETags says that ETags do not follow from the bytes.
func (s *Store) opaqueETags() bool { return s.bucket.SSE == "aws:kms" }

// CompleteUpload implements store.Uploads.
func (s *Store) CompleteUpload(ctx context.Context, u store.Upload, parts []store.Part, opts store.CompleteOptions) (store.Object, error) {
	list := make([]minio.CompletePart, len(parts))
	var size int64
	for i, part := range parts {
		list[i] = minio.CompletePart{PartNumber: part.Number, ETag: part.ETag}
		if u.Sum {
			list[i].ChecksumCRC32C = encodeSum(part.CRC32C)
		}
		size += part.Size
	}
	if size != opts.Size {
		return store.Object{}, &store.Error{Op: "complete upload", Key: u.Key, Cause: fmt.Errorf("the parts have %d bytes, the object shall have %d", size, opts.Size)}
	}
	var complete minio.PutObjectOptions
	if u.Sum {
		complete.UserMetadata = map[string]string{sumHeader: encodeSum(opts.CRC32C), typeHeader: wholeObject}
	}
	setCondition(&complete, opts.If)
	info, err := s.core.CompleteMultipartUpload(ctx, s.bucket.Name, s.key(u.Key), u.ID, list, complete)
	if err != nil {
		return store.Object{}, s.explainWrite(ctx, "complete upload", u.Key, opts.If, err)
	}
	if want := joinedETag(parts); info.ETag != want && !s.opaqueETags() {
		return store.Object{}, &store.Error{Op: "complete upload", Key: u.Key, Kind: store.ErrBadSum,
			Cause: fmt.Errorf("ETag %q, from the parts' follows %q; a bucket that encrypts by KMS needs sse=aws:kms in its URL", info.ETag, want)}
	}
	return store.Object{Key: u.Key, ETag: info.ETag, Size: size, CRC32C: opts.CRC32C, HasCRC: u.Sum, Modified: time.Now()}, nil
}

// joinedETag is the ETag of an object made from parts: the MD5 of theirs, and their
// number.
func joinedETag(parts []store.Part) string {
	hash := md5.New()
	for _, part := range parts {
		b, err := hex.DecodeString(part.ETag)
		if err != nil {
			return ""
		}
		hash.Write(b)
	}
	return hex.EncodeToString(hash.Sum(nil)) + "-" + strconv.Itoa(len(parts))
}

// AbortUpload implements store.Uploads.
func (s *Store) AbortUpload(ctx context.Context, u store.Upload) error {
	err := s.core.AbortMultipartUpload(ctx, s.bucket.Name, s.key(u.Key), u.ID)
	if minio.ToErrorResponse(err).Code == "NoSuchUpload" {
		return nil
	}
	return s.explain(ctx, "abort upload", u.Key, err)
}

// ListUploads implements store.Uploads. It asks for the next page by key and id, and
// where that brings nothing new, as on versitygw, by the key alone.
func (s *Store) ListUploads(ctx context.Context, prefix string) ([]store.Upload, error) {
	var uploads []store.Upload
	seen := map[string]bool{}
	keyMarker, idMarker := "", ""
	for {
		page, err := s.core.ListMultipartUploads(ctx, s.bucket.Name, s.key(prefix), keyMarker, idMarker, "", 1000)
		if err != nil {
			return nil, s.explain(ctx, "list uploads", prefix, err)
		}
		news := false
		for _, info := range page.Uploads {
			if !seen[info.UploadID] {
				seen[info.UploadID], news = true, true
				uploads = append(uploads, store.Upload{Key: s.trim(info.Key), ID: info.UploadID, Started: info.Initiated})
			}
		}
		switch {
		case !page.IsTruncated || !news && idMarker == "":
			return uploads, nil
		case news:
			keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
		default:
			idMarker = ""
		}
	}
}

func trimQuotes(etag string) string {
	if n := len(etag); n >= 2 && etag[0] == '"' && etag[n-1] == '"' {
		return etag[1 : n-1]
	}
	return etag
}
