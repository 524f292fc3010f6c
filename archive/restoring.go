package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"path"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// restoring is what RESTORING says: that the directory was made from a bucket, and what
// was put into it. While it is there and Fetched is false, bytes of the open file may be
// missing before End; while it is there at all, the directory may be made anew from the
// bucket, as long as nothing was received.
type restoring struct {
	Format   int      `json:"format"`
	Timeline string   `json:"timeline"` // its directory
	Files    []string `json:"files"`    // that are not in the bucket as a whole, in order
	Seq      uint64   `json:"seq"`      // of the last of them, or of the last file that is
	End      int64    `json:"end"`      // how far the bucket has the last of Files
	Gaps     int      `json:"gaps"`     // how many source.json had
	Fetched  bool     `json:"fetched"`  // all bytes of Files are here, and durable
	Damaged  bool     `json:"damaged"`  // the bucket has more, which is damaged: nothing goes on from here
}

func restoringPath(dir string) string { return path.Join(dir, "RESTORING") }

// open is the name of the file that goes on; "" where there is none.
func (r *restoring) open() string {
	if len(r.Files) == 0 {
		return ""
	}
	return r.Files[len(r.Files)-1]
}

// encode gives the file: a line like those of the catalog.
func (r *restoring) encode() ([]byte, error) {
	j, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	b := append([]byte(catalog.CRC32C(crc32.Checksum(j, castagnoli)).String()), ' ')
	return append(append(b, j...), '\n'), nil
}

func decodeRestoring(b []byte) (*restoring, error) {
	if len(b) < 10 {
		return nil, errors.New("too short")
	}
	r := &restoring{}
	if err := json.Unmarshal(b[9:], r); err != nil {
		return nil, err
	}
	if r.Format > catalog.Version {
		return nil, &FormatError{Version: r.Format}
	}
	if again, err := r.encode(); err != nil || !bytes.Equal(again, b) {
		return nil, errors.New("content that this program did not write")
	}
	return r, nil
}

// readRestoring gives nil where there is no RESTORING.
func (l *Log) readRestoring() (*restoring, error) {
	name := restoringPath(l.dir)
	b, err := readFile(l.fs, name)
	if isNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable("read", name, err)
	}
	r, err := decodeRestoring(b)
	if newer := (*FormatError)(nil); errors.As(err, &newer) {
		newer.File = name
		return nil, newer
	}
	if err != nil {
		return nil, &DamageError{File: name, Expected: "the document that was written", Found: err.Error()}
	}
	return r, nil
}

// writeRestoring replaces RESTORING, durably.
func (l *Log) writeRestoring(r *restoring) error {
	content, err := r.encode()
	if err != nil {
		return err
	}
	if err := replaceFile(l.fs, restoringPath(l.dir), content); err != nil {
		return l.diskError("replace", restoringPath(l.dir), err)
	}
	return nil
}

// removeFile removes a file of the directory or below it, if it is there, durably.
func (l *Log) removeFile(name string) error {
	if err := l.fs.Remove(name); err != nil && !isNotExist(err) {
		return l.diskError("remove", name, err)
	}
	return l.syncDir(path.Dir(name))
}
