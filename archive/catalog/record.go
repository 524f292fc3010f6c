package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
)

// The catalog is a journal of what is known of a timeline's files, one record a
// line: CRC32C of the JSON as eight hexadecimal digits, a space, the JSON. Records
// are appended and fsynced one by one, so that only the last can be torn.

// Record is one line. Exactly one of its parts is there.
type Record struct {
	Version int       `json:"v"`
	Begin   *Begin    `json:"begin,omitempty"`
	Sealed  *Manifest `json:"sealed,omitempty"`
	Stored  *Stored   `json:"stored,omitempty"` // in a local log only
	List    *ListHead `json:"list,omitempty"`   // in a bucket only

	Offset int64 `json:"-"` // where the line begins
}

// Begin is durable before a byte of the file's first event is acknowledged.
// It fixes the order of files, and proves what its predecessor holds, which is
// complete and fsynced by then.
type Begin struct {
	Seq   uint64     `json:"seq"`
	Epoch uint64     `json:"epoch"`
	Name  string     `json:"name"`
	After *FileProof `json:"after,omitempty"` // the file before; absent for the first
}

// Stored says that a sealed file is in the bucket, complete, verified and in the catalog
// there: it need not be on the disk any more.
type Stored struct {
	Seq  uint64 `json:"seq"`
	ETag string `json:"etag"` // of the object that holds the file
}

// FileProof says what a complete file holds.
type FileProof struct {
	Size   int64  `json:"size"`
	CRC32C CRC32C `json:"crc32c"`
}

// Append adds the line to dst.
func (r Record) Append(dst []byte) ([]byte, error) {
	r.Version = Version
	j, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	dst = append(dst, CRC32C(crc32.Checksum(j, castagnoli)).String()...)
	dst = append(dst, ' ')
	dst = append(dst, j...)
	return append(dst, '\n'), nil
}

// DecodeRecords reads a catalog. It returns the records of the longest valid
// prefix and its length. What follows is torn, if err is nil, or damage.
func DecodeRecords(b []byte) (records []Record, valid int, err error) {
	for valid < len(b) {
		line, rest, whole := bytes.Cut(b[valid:], []byte{'\n'})
		r, err := decodeRecord(line)
		if err == nil && r.List != nil {
			err = errors.New("the head of a bucket's catalog")
		}
		if !whole || err != nil {
			var newer *VersionError
			if errors.As(err, &newer) || len(rest) > 0 {
				return records, valid, err
			}
			return records, valid, nil
		}
		r.Offset = int64(valid)
		records = append(records, r)
		valid += len(line) + 1
	}
	return records, valid, nil
}

func decodeRecord(line []byte) (Record, error) {
	var sum CRC32C
	if len(line) < 10 || line[8] != ' ' || sum.UnmarshalText(line[:8]) != nil {
		return Record{}, errors.New("not a record")
	}
	if uint32(sum) != crc32.Checksum(line[9:], castagnoli) {
		return Record{}, errors.New("wrong checksum")
	}
	var r Record
	if err := json.Unmarshal(line[9:], &r); err != nil {
		return Record{}, err
	}
	if r.Version > Version {
		return Record{}, &VersionError{Version: r.Version}
	}
	if r.Version < 1 || r.parts() != 1 {
		return Record{}, errors.New("not of one kind that this program knows")
	}
	return r, nil
}

func (r Record) parts() (n int) {
	for _, there := range []bool{r.Begin != nil, r.Sealed != nil, r.Stored != nil, r.List != nil} {
		if there {
			n++
		}
	}
	return n
}
