package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"sync"
)

// The catalog is a journal of what is known of a timeline's files, one record a
// line: CRC32C of the JSON as eight hexadecimal digits, a space, the JSON. Records
// are appended and fsynced one by one, so that only the last can be torn.

// record is one line. Exactly one of its parts is there.
type record struct {
	Version int          `json:"v"`
	Begin   *beginRecord `json:"begin,omitempty"`
	Sealed  *manifest    `json:"sealed,omitempty"`

	offset int64 // where the line begins
}

// beginRecord is durable before a byte of the file's first event is acknowledged.
// It fixes the order of files, and proves what its predecessor holds, which is
// complete and fsynced by then.
type beginRecord struct {
	Seq   uint64     `json:"seq"`
	Epoch uint64     `json:"epoch"`
	Name  string     `json:"name"`
	After *fileProof `json:"after,omitempty"` // the file before; absent for the first
}

type fileProof struct {
	Size   int64  `json:"size"`
	CRC32C crcHex `json:"crc32c"`
}

// crcHex is a CRC32C that JSON holds as eight hexadecimal digits.
type crcHex uint32

func (c crcHex) String() string               { return fmt.Sprintf("%08x", uint32(c)) }
func (c crcHex) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c *crcHex) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 16, 32)
	*c = crcHex(v)
	if err == nil && c.String() != string(b) {
		err = errors.New("not eight hexadecimal digits")
	}
	return err
}

func (r record) append(dst []byte) ([]byte, error) {
	r.Version = formatVersion
	j, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	dst = append(dst, crcHex(crc32.Checksum(j, castagnoli)).String()...)
	dst = append(dst, ' ')
	dst = append(dst, j...)
	return append(dst, '\n'), nil
}

// decodeCatalog reads a catalog. It returns the records of the longest valid
// prefix and its length. What follows is torn, if err is nil, or damage.
func decodeCatalog(b []byte) (records []record, valid int, err error) {
	for valid < len(b) {
		line, rest, whole := bytes.Cut(b[valid:], []byte{'\n'})
		r, err := decodeRecord(line)
		if !whole || err != nil {
			var newer *FormatError
			if errors.As(err, &newer) || len(rest) > 0 {
				return records, valid, err
			}
			return records, valid, nil
		}
		r.offset = int64(valid)
		records = append(records, r)
		valid += len(line) + 1
	}
	return records, valid, nil
}

func decodeRecord(line []byte) (record, error) {
	var sum crcHex
	if len(line) < 10 || line[8] != ' ' || sum.UnmarshalText(line[:8]) != nil {
		return record{}, errors.New("not a record")
	}
	if uint32(sum) != crc32.Checksum(line[9:], castagnoli) {
		return record{}, errors.New("wrong checksum")
	}
	var r record
	if err := json.Unmarshal(line[9:], &r); err != nil {
		return record{}, err
	}
	if r.Version > formatVersion {
		return record{}, &FormatError{Version: r.Version}
	}
	if r.Version < 1 || (r.Begin == nil) == (r.Sealed == nil) {
		return record{}, errors.New("neither begin nor sealed")
	}
	return r, nil
}

// catalog is the open journal of one timeline.
type catalog struct {
	fs   FS
	path string

	mu     sync.Mutex // committer and sealer append
	file   Handle
	size   int64 // what is known to be fsynced
	broken bool  // an append failed: what stands behind size is not to be believed
	redo   int64 // from here to size the disk may lack what is read: not yet written over itself
}

// append adds a record. When it returns nil the record is durable.
func (c *catalog) append(r record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, err := r.append(nil)
	if err != nil {
		return err
	}
	if err := c.repairLocked(); err != nil {
		return err
	}
	c.broken = true
	if err := writeAt(c.file, line, c.size); err != nil {
		return &DiskError{Op: "write", File: c.path, Err: err}
	}
	if err := syncFile(c.file); err != nil {
		return &DiskError{Op: "fsync", File: c.path, Err: err}
	}
	c.broken = false
	c.size += int64(len(line))
	c.redo = c.size
	return nil
}

// repair takes back what a failed append may have left, durably: a record that
// nobody knows of must not speak of files that go on changing.
func (c *catalog) repair() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.repairLocked()
}

func (c *catalog) repairLocked() error {
	if !c.broken {
		return nil
	}
	f, err := c.fs.OpenFile(c.path, ReadWrite)
	if err != nil {
		return &DiskError{Op: "open", File: c.path, Err: err}
	}
	c.file.Close()
	c.file = f
	if err := f.Truncate(c.size); err != nil {
		return &DiskError{Op: "truncate", File: c.path, Err: err}
	}
	if err := rewrite(f, c.redo, c.size); err != nil {
		return &DiskError{Op: "write", File: c.path, Err: err}
	}
	if err := syncFile(f); err != nil {
		return &DiskError{Op: "fsync", File: c.path, Err: err}
	}
	c.broken, c.redo = false, c.size
	return nil
}

func (c *catalog) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file.Close()
}
