package dir

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// Put implements store.Objects.
func (d *Dir) Put(ctx context.Context, key string, data []byte, opts store.PutOptions) (store.Object, error) {
	if err := errors.Join(check(ctx, key), store.CheckMeta(opts.Meta)); err != nil {
		return store.Object{}, d.explain("put", key, err)
	}
	sum := crc32c.Of(data)
	if opts.HasCRC && opts.CRC32C != sum {
		return store.Object{}, &store.Error{Op: "put", Key: key, Kind: store.ErrBadSum}
	}
	id := rand.Text()
	tmp := d.private("tmp", id)
	if err := writeFile(tmp, data); err != nil {
		return store.Object{}, d.explain("put", key, errors.Join(err, remove(tmp)))
	}
	r := record{Key: key, Size: int64(len(data)), CRC32C: sum, HasCRC: true, Meta: opts.Meta}
	object, err := d.commit(id, r, opts.If)
	return object, d.explain("put", key, errors.Join(err, remove(tmp)))
}

// Delete implements store.Objects.
func (d *Dir) Delete(ctx context.Context, key string) (err error) {
	defer func() { err = d.explain("delete", key, err) }()
	if err := check(ctx, key); err != nil {
		return err
	}
	lock, err := d.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	id, err := d.current(key)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(os.Remove(d.path(key)), syncDir(filepath.Dir(d.path(key)))); err != nil {
		return err
	}
	d.removeFolders(filepath.Dir(d.path(key)))
	return d.discard(id)
}

// removeFolders removes a folder that has become empty, and those above it. Nobody
// puts a name into one meanwhile, for lack of the lock.
func (d *Dir) removeFolders(folder string) {
	for folder != d.root && os.Remove(folder) == nil {
		folder = filepath.Dir(folder)
	}
}

// commit makes the durable file tmp/id, if the condition holds, the object that r
// describes. tmp/id is gone then.
func (d *Dir) commit(id string, r record, cond store.Condition) (object store.Object, err error) {
	lock, err := d.lock()
	if err != nil {
		return store.Object{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	old, err := d.current(r.Key)
	if errors.Is(err, os.ErrNotExist) {
		old, err = "", nil
	}
	if err != nil {
		return store.Object{}, err
	}
	if !cond.Holds(old) {
		return store.Object{}, &store.Error{Op: "write", Key: r.Key, Kind: store.ErrCondition}
	}
	r.Version, r.Modified = formatVersion, time.Now().UTC()
	if err := d.publish(id, r); err != nil {
		return store.Object{}, err
	}
	if old != "" {
		err = d.discard(old)
	}
	return r.object(id), err
}

// publish puts the bytes and the record of an object in their places, and then the
// name, each durable before the next.
func (d *Dir) publish(id string, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	data := d.private("objects", id)
	if err := writeFile(data+".json", text); err != nil {
		return err
	}
	if err := os.Rename(d.private("tmp", id), data); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(data)); err != nil {
		return err
	}
	name := d.path(r.Key)
	folder := filepath.Dir(name)
	if err := makeDirs(d.root, folder); err != nil {
		return err
	}
	target, err := filepath.Rel(folder, data)
	if err != nil {
		return err
	}
	link := d.private("tmp", id)
	if err := os.Symlink(target, link); err != nil {
		return err
	}
	if err := os.Rename(link, name); err != nil {
		return err
	}
	return syncDir(folder)
}

// discard removes bytes and record of an object that has no name any more.
func (d *Dir) discard(id string) error {
	data := d.private("objects", id)
	return errors.Join(remove(data), remove(data+".json"))
}
