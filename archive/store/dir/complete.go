package dir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// CompleteUpload implements store.Uploads. It writes the object anew from its
// parts, and compares their sums and that of all with what it is told, also in an
// upload without Sum.
func (d *Dir) CompleteUpload(ctx context.Context, u store.Upload, parts []store.Part, opts store.CompleteOptions) (store.Object, error) {
	fail := func(err error) (store.Object, error) { return store.Object{}, d.explain("complete upload", u.Key, err) }
	if err := check(ctx, u.Key); err != nil {
		return fail(err)
	}
	upload, err := d.readUpload(u.ID)
	if errors.Is(err, os.ErrNotExist) || err == nil && upload.Key != u.Key {
		return store.Object{}, d.missing("complete upload", u.Key, store.ErrNoUpload)
	}
	if err != nil {
		return fail(err)
	}
	if err := checkParts(u, parts, opts.Size); err != nil {
		return fail(err)
	}
	id := rand.Text()
	tmp := d.private("tmp", id)
	if err := d.join(ctx, tmp, u, parts, opts.CRC32C); err != nil {
		return fail(errors.Join(err, remove(tmp)))
	}
	r := record{Key: u.Key, Size: opts.Size, CRC32C: opts.CRC32C, HasCRC: upload.Sum, Meta: upload.Meta}
	object, err := d.commit(id, r, opts.If)
	if err != nil {
		return fail(errors.Join(err, remove(tmp)))
	}
	return object, d.explain("complete upload", u.Key, os.RemoveAll(d.private("uploads", u.ID)))
}

// checkParts refuses what S3 refuses.
func checkParts(u store.Upload, parts []store.Part, size int64) error {
	refuse := func(format string, args ...any) error {
		return &store.Error{Op: "complete upload", Key: u.Key, Cause: fmt.Errorf(format, args...)}
	}
	var total int64
	for i, part := range parts {
		if i > 0 && part.Number <= parts[i-1].Number {
			return refuse("part %d behind part %d", part.Number, parts[i-1].Number)
		}
		if i < len(parts)-1 && part.Size < store.MinPart {
			return refuse("part %d has %d bytes, the least but for the last is %d", part.Number, part.Size, store.MinPart)
		}
		total += part.Size
	}
	if len(parts) == 0 || total != size {
		return refuse("%d parts have %d bytes, the object shall have %d", len(parts), total, size)
	}
	return nil
}

// join writes parts one behind the other into a new file, durably.
func (d *Dir) join(ctx context.Context, path string, u store.Upload, parts []store.Part, sum uint32) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	var joined uint32
	for _, part := range parts {
		if err = errors.Join(ctx.Err(), d.appendPart(f, u, part)); err != nil {
			break
		}
		joined = crc32c.Join(joined, part.CRC32C, part.Size)
	}
	if err == nil && joined != sum {
		err = &store.Error{Op: "complete upload", Key: u.Key, Kind: store.ErrBadSum}
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (d *Dir) appendPart(w io.Writer, u store.Upload, part store.Part) error {
	f, err := os.Open(d.partPath(u.ID, part))
	if errors.Is(err, os.ErrNotExist) {
		return &store.Error{Op: "complete upload", Key: u.Key, Cause: fmt.Errorf("there is no part %d with the ETag %s", part.Number, part.ETag)}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return copySummed(w, f, part.Size, part.CRC32C)
}

// copySummed copies r, which must have that size and CRC32C.
func copySummed(w io.Writer, r io.Reader, size int64, sum uint32) error {
	s := &summer{w: w}
	n, err := io.Copy(s, r)
	if err != nil {
		return err
	}
	if n != size || s.sum != sum {
		return &store.Error{Op: "copy", Kind: store.ErrBadSum, Cause: fmt.Errorf("%d bytes with CRC32C %08x, expected %d with %08x", n, s.sum, size, sum)}
	}
	return nil
}

// summer keeps the CRC32C of what is written through it.
type summer struct {
	w   io.Writer
	sum uint32
}

func (s *summer) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.sum = crc32c.Update(s.sum, p[:n])
	return n, err
}
