package dir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

const formatVersion = 1

// record is the JSON file beside an object's bytes.
type record struct {
	Version  int               `json:"version"`
	Key      string            `json:"key"`
	Size     int64             `json:"size"`
	CRC32C   uint32            `json:"crc32c"`
	HasCRC   bool              `json:"has_crc"`
	Meta     map[string]string `json:"meta,omitempty"`
	Modified time.Time         `json:"modified"`
}

func (r record) object(id string) store.Object {
	return store.Object{
		Key: r.Key, ETag: id, Size: r.Size, CRC32C: r.CRC32C, HasCRC: r.HasCRC, Meta: r.Meta, Modified: r.Modified,
	}
}

// lookup finds the object of that key; os.ErrNotExist where there is none. It is
// one that was there during the call: what is replaced meanwhile is looked up again.
func (d *Dir) lookup(key string) (store.Object, error) {
	for {
		id, err := d.current(key)
		if err != nil {
			return store.Object{}, err
		}
		object, err := d.read(key, id)
		if !errors.Is(err, os.ErrNotExist) {
			return object, err
		}
		if again, err := d.current(key); err == nil && again == id {
			return store.Object{}, fmt.Errorf("%s is damaged: %s is missing", d.path(key), d.private("objects", id))
		}
	}
}

// current is the id that the name of that key leads to.
func (d *Dir) current(key string) (id string, err error) {
	target, err := os.Readlink(d.path(key))
	if errors.Is(err, syscall.EINVAL) {
		return "", fmt.Errorf("%s is no symbolic link, so this store has not made it", d.path(key))
	}
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist
	}
	return filepath.Base(target), err
}

func (d *Dir) read(key, id string) (store.Object, error) {
	b, err := os.ReadFile(d.private("objects", id+".json"))
	if err != nil {
		return store.Object{}, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return store.Object{}, fmt.Errorf("%s.json is damaged: %w", d.private("objects", id), err)
	}
	if r.Version != formatVersion {
		return store.Object{}, fmt.Errorf("%s.json has format version %d, this program knows %d", d.private("objects", id), r.Version, formatVersion)
	}
	if r.Key != key {
		return store.Object{}, fmt.Errorf("%s leads to the object %q", d.path(key), r.Key)
	}
	return r.object(id), nil
}
