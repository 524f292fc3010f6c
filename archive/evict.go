package archive

import (
	"errors"
	"time"
)

// Retention says how much of what is in the bucket the local disk keeps too. The zero
// value keeps everything.
type Retention struct {
	Size  int64         // evict the oldest files while all together are larger, bytes; 0 = no limit
	Age   time.Duration // evict files whose last transaction is older; 0 = no limit
	Limit int64         // stop receiving, as on a full disk, where the files are larger and none can be evicted, bytes; 0 = no limit
}

// errLimit is the full disk that an operator asked for.
var errLimit = errors.New("the limit for local files is reached, and none can be removed before it is in the bucket")

// evict removes local files that the bucket has, the oldest first, as far as the
// retention demands. It never touches one that is not in the bucket's catalog, verified.
// It is called whenever that may have changed.
func (l *Log) evict() {
	l.evicting.Lock()
	defer l.evicting.Unlock()
	v := l.view.Load()
	size := v.localSize()
	defer func() { l.complete.Store(size - v.limit) }()
	for i := range len(v.files) - 1 {
		f := v.files[i]
		if !f.Local || !f.Stored || !l.evictable(f, size) {
			continue
		}
		if err := l.evictFile(f); err != nil {
			l.logger.Warn("a file that is in the bucket could not be removed from the disk", "file", f.Name, "err", err)
			return
		}
		size -= f.Size
		l.counts.evicted.Add(1)
		l.logger.Info("removed from the disk, and read from the bucket from now on", "file", f.Name, "size", f.Size)
	}
}

// room says why no more may be written, if so. Called for each commit, it counts no files.
func (l *Log) room() error {
	if limit := l.opts.Keep.Limit; limit > 0 && l.complete.Load()+l.view.Load().Durable.Offset > limit {
		return errLimit
	}
	return nil
}

// evictable says whether a file is too much, of so many bytes, or too old.
func (l *Log) evictable(f File, size int64) bool {
	keep := l.opts.Keep
	return keep.Size > 0 && size > keep.Size || keep.Age > 0 && !f.LastTime.IsZero() && l.opts.Now().Sub(f.LastTime) > keep.Age
}

// evictFile lets readers that come find the file in the bucket, and then removes it. Those
// that have it open go on with it. The index goes first: without it the file can be
// read, and the next try removes both.
func (l *Log) evictFile(f File) error {
	l.publish(func(v *view) {
		f.Local = false
		v.setFile(f)
	})
	if err := l.fs.Remove(l.indexPath(f.Name)); err != nil && !isNotExist(err) {
		return err
	}
	if err := l.fs.Remove(l.filePath(f.Name)); err != nil && !isNotExist(err) {
		return err
	}
	return nil
}

// localSize counts the bytes of binlog files on the disk.
func (v *view) localSize() (n int64) {
	for i, f := range v.files {
		switch {
		case !f.Local:
		case i == len(v.files)-1:
			n += v.limit
		default:
			n += f.Size
		}
	}
	return n
}
