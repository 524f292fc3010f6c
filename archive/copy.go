package archive

import (
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

// CopyFile writes all bytes of a file that are held. Those of a sealed one, which are the
// source's own, are compared with the catalog on the way: a *DamageError says that what
// was written is not what was received. The open file's events are verified one by one.
func (a *Archive) CopyFile(ctx context.Context, w io.Writer, f File) error {
	if f.Manifest == nil {
		return a.CopyExtract(ctx, w, Extract{File: f, Head: replication.FirstEventOffset, Runs: []Run{{replication.FirstEventOffset, f.Size}}}, true)
	}
	file, err := a.openFile(f)
	if err != nil {
		return err
	}
	defer file.Close()
	sums, err := copySummed(ctx, w, file)
	switch {
	case permanent(err) || errors.As(err, new(*RemoteError)):
		return err
	case err != nil && sums.failed:
		return &DiskError{Op: "read", File: a.filePath(f.Name), Err: err}
	case err != nil:
		return err
	}
	name, local := file.source(0)
	damage := compareSums(f, name, sums)
	if damage == nil || !local {
		return damage
	}
	return a.damaged(damage.(*DamageError))
}

// summed is what was copied.
type summed struct {
	size   int64
	crc    catalog.CRC32C
	sha256 string
	failed bool // it was the reading that failed
}

func copySummed(ctx context.Context, w io.Writer, file io.ReaderAt) (s summed, err error) {
	h := sha256.New()
	buf := make([]byte, hashBuffer)
	for {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		n, err := file.ReadAt(buf, s.size)
		h.Write(buf[:n])
		s.crc = catalog.CRC32C(crc32.Update(uint32(s.crc), castagnoli, buf[:n]))
		s.size += int64(n)
		if _, err := w.Write(buf[:n]); err != nil {
			return s, err
		}
		if err == io.EOF {
			s.sha256 = hex.EncodeToString(h.Sum(nil))
			return s, nil
		}
		if err != nil {
			s.failed = true
			return s, err
		}
	}
}

func compareSums(f File, name string, s summed) error {
	m := f.Manifest
	if s.size == m.Size && s.crc == m.CRC32C && s.sha256 == m.SHA256 {
		return nil
	}
	return &DamageError{File: name,
		Expected: fmt.Sprintf("%d bytes with CRC32C %s and SHA-256 %s", m.Size, m.CRC32C, m.SHA256),
		Found:    fmt.Sprintf("%d bytes with CRC32C %s and SHA-256 %s", s.size, s.crc, s.sha256)}
}
