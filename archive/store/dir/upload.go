package dir

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// uploadFile describes an upload in its folder. Beside it are the parts, each named
// after its number and ETag.
const uploadFile = "upload.json"

type uploadRecord struct {
	Version int               `json:"version"`
	Key     string            `json:"key"`
	Sum     bool              `json:"sum"`
	Meta    map[string]string `json:"meta,omitempty"`
	Started time.Time         `json:"started"`
}

// CreateUpload implements store.Uploads.
func (d *Dir) CreateUpload(ctx context.Context, key string, opts store.UploadOptions) (store.Upload, error) {
	if err := errors.Join(check(ctx, key), store.CheckMeta(opts.Meta)); err != nil {
		return store.Upload{}, d.explain("create upload", key, err)
	}
	r := uploadRecord{Version: formatVersion, Key: key, Sum: opts.Sum, Meta: opts.Meta, Started: time.Now().UTC()}
	text, err := json.Marshal(r)
	if err != nil {
		return store.Upload{}, d.explain("create upload", key, err)
	}
	// The folder appears with the record in it, so that whoever lists finds both.
	id := rand.Text()
	tmp := d.private("tmp", id)
	err = os.Mkdir(tmp, 0o700)
	if err == nil {
		err = writeFile(filepath.Join(tmp, uploadFile), text)
	}
	if err == nil {
		err = os.Rename(tmp, d.private("uploads", id))
	}
	if err != nil {
		return store.Upload{}, d.explain("create upload", key, errors.Join(err, os.RemoveAll(tmp)))
	}
	return store.Upload{Key: key, ID: id, Sum: opts.Sum, Started: r.Started}, nil
}

// readUpload finds an upload; os.ErrNotExist where there is none.
func (d *Dir) readUpload(id string) (r uploadRecord, err error) {
	if id == "" || id != filepath.Base(id) {
		return r, os.ErrNotExist
	}
	b, err := os.ReadFile(d.private("uploads", id, uploadFile))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(b, &r)
}

// PutPart implements store.Uploads. A part is as lasting as its upload: after a
// power failure it may be gone, and then CompleteUpload fails.
func (d *Dir) PutPart(ctx context.Context, u store.Upload, number int, data []byte) (store.Part, error) {
	part := store.Part{Number: number, ETag: rand.Text(), Size: int64(len(data)), CRC32C: crc32c.Of(data)}
	err := d.addPart(ctx, u, part, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return store.Part{}, d.failPart("put part", u, err)
	}
	return part, nil
}

// CopyPart implements store.Uploads. It reads the object, and compares its sum.
func (d *Dir) CopyPart(ctx context.Context, u store.Upload, number int, from store.Object) (store.Part, error) {
	part := store.Part{Number: number, ETag: from.ETag, Size: from.Size, CRC32C: from.CRC32C}
	body, err := d.Get(ctx, from.Key, store.Range{IfMatch: from.ETag})
	if err != nil {
		return store.Part{}, err
	}
	defer body.Close()
	err = d.addPart(ctx, u, part, func(w io.Writer) error { return copySummed(w, body, from.Size, from.CRC32C) })
	if err != nil {
		return store.Part{}, d.failPart("copy part", u, err)
	}
	return part, nil
}

func (d *Dir) failPart(op string, u store.Upload, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return d.missing(op, u.Key, store.ErrNoUpload)
	}
	return d.explain(op, u.Key, err)
}

// addPart writes a part beside the upload, and then moves it into it.
func (d *Dir) addPart(ctx context.Context, u store.Upload, part store.Part, write func(io.Writer) error) error {
	if part.Number < 1 || part.Number > store.MaxParts || part.Size < 1 || part.Size > store.MaxPart {
		return &store.Error{Op: "put part", Key: u.Key, Cause: fmt.Errorf("part %d of %d bytes", part.Number, part.Size)}
	}
	if _, err := d.readUpload(u.ID); err != nil {
		return err
	}
	tmp := d.private("tmp", rand.Text())
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close(), ctx.Err())
	if err == nil {
		err = os.Rename(tmp, d.partPath(u.ID, part))
	}
	return errors.Join(err, remove(tmp))
}

func (d *Dir) partPath(id string, part store.Part) string {
	return d.private("uploads", id, fmt.Sprintf("%05d-%s", part.Number, part.ETag))
}

// AbortUpload implements store.Uploads.
func (d *Dir) AbortUpload(ctx context.Context, u store.Upload) error {
	if err := ctx.Err(); err != nil {
		return d.explain("abort upload", u.Key, err)
	}
	if u.ID == "" || u.ID != filepath.Base(u.ID) {
		return nil
	}
	return d.explain("abort upload", u.Key, os.RemoveAll(d.private("uploads", u.ID)))
}

// ListUploads implements store.Uploads.
func (d *Dir) ListUploads(ctx context.Context, prefix string) ([]store.Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, d.explain("list uploads", prefix, err)
	}
	entries, err := os.ReadDir(d.private("uploads"))
	if err != nil {
		return nil, d.explain("list uploads", prefix, err)
	}
	var uploads []store.Upload
	for _, entry := range entries {
		r, err := d.readUpload(entry.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue // ended meanwhile
		}
		if err != nil {
			return nil, d.explain("list uploads", prefix, err)
		}
		if strings.HasPrefix(r.Key, prefix) {
			uploads = append(uploads, store.Upload{Key: r.Key, ID: entry.Name(), Sum: r.Sum, Started: r.Started})
		}
	}
	return uploads, nil
}
