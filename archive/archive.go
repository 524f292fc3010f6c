package archive

import (
	"io"
	"log/slog"
	"path"
	"sync"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Archive is what is held of one source, for reading: its files, what is known of
// them, and readers. A Log is one that grows; OpenReadOnly gives one that stays as it
// was found. Its methods may be called at any time.
type Archive struct {
	opts     Options
	fs       FS
	dir      string
	logger   *slog.Logger
	inBucket bool        // nothing is on this disk
	stopped  func(error) // told of damage that a reader finds; nil where nothing is written

	// What readers see. pubMu is held for moments only.
	pubMu    sync.Mutex
	view     atomic.Pointer[view]
	source   catalog.Source // pubMu for reading beside the receiving side
	executed *replication.GTIDSet
	purged   *replication.GTIDSet
	missing  *replication.GTIDSet // in gaps
	gaps     []Gap
	crossed  bool // the first PREVIOUS_GTIDS was seen

	storedDamage storedDamage // found by readers
	copies       copies

	buffers   sync.Pool    // of readers
	followers atomic.Int32 // readers that have reached the tail and not fallen behind it
}

// init readies an archive in which nothing is held yet; opts have their defaults.
func (a *Archive) init(opts Options) {
	a.opts, a.fs, a.dir, a.logger = opts, opts.FS, path.Clean(opts.Dir), opts.Logger
	a.executed, a.purged, a.missing = &replication.GTIDSet{}, &replication.GTIDSet{}, &replication.GTIDSet{}
	a.view.Store(&view{changed: make(chan struct{})})
	a.buffers.New = func() any { b := make([]byte, opts.ReadBuffer); return &b }
}

// openHandle is a file that is open for reading. Like io.ReaderAt, ReadAt returns io.EOF
// with the bytes up to the file's end. It may run beside itself.
type openHandle interface {
	io.ReaderAt
	io.Closer
	// source names what has the byte at an offset: a path, or an object of the bucket.
	source(off int64) (name string, local bool)
	// forget lets bytes that came from the bucket be fetched again by who reads them next.
	forget(off, n int64)
}

// localFile is one on this disk.
type localFile struct {
	Handle
	path string
}

func (f localFile) source(int64) (string, bool) { return f.path, true }
func (f localFile) forget(_, _ int64)           {}

// openFile opens a file's bytes: those on this disk, else those in the bucket. All
// reading of binlog files begins here.
func (a *Archive) openFile(f File) (openHandle, error) {
	if now, ok := a.view.Load().file(f.Seq); ok {
		f = now
	}
	if a.inBucket {
		return a.openInBucket(f)
	}
	name := a.filePath(f.Name)
	h, err := a.fs.OpenFile(name, ReadOnly)
	switch {
	case isNotExist(err) && (f.Stored || a.storedMeanwhile(f)):
		return a.openStored(f)
	case isNotExist(err):
		return nil, a.damaged(&DamageError{File: name, Expected: "a file that is held", Found: "no such file"})
	case err != nil:
		return nil, &DiskError{Op: "open", File: name, Err: err}
	case f.head != nil:
		return f.head.open(localFile{h, name})
	}
	return localFile{h, name}, nil
}

// storedMeanwhile says that the catalog now has a file as one that is in the bucket: who
// writes beside a read-only archive may remove it then.
func (a *Archive) storedMeanwhile(f File) bool {
	b, err := readFile(a.fs, catalogPath(a.timelineDir()))
	if err != nil {
		return false
	}
	held, _, _, _ := listCatalog("", b)
	return f.Seq >= 1 && f.Seq <= uint64(len(held)) && held[f.Seq-1].stored != nil
}

// openIndex opens a file's index. All reading of what readers want of an index begins here.
func (a *Archive) openIndex(f File) (openHandle, error) {
	if a.inBucket {
		return a.openStoredIndex(f)
	}
	name := a.indexPath(f.Name)
	h, err := a.fs.OpenFile(name, ReadOnly)
	if isNotExist(err) && f.Sealed && f.stored.size > 0 {
		return a.openStoredIndex(f)
	}
	if err != nil {
		return nil, err
	}
	return localFile{h, name}, nil
}

// damaged stops the writing side, if there is one: what is held can no longer be trusted
// as a whole until a person has looked. Readers go on with what verifies, up to the
// published mark.
func (a *Archive) damaged(err *DamageError) error {
	if a.stopped != nil {
		a.stopped(err)
	}
	return err
}

// Identity gives the server that the directory is tied to, if it is.
func (a *Archive) Identity() (Identity, bool) {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	if len(a.source.Timelines) == 0 {
		return Identity{}, false
	}
	id, err := a.source.Timelines[len(a.source.Timelines)-1].Identity()
	return id, err == nil
}

func (a *Archive) timelineDir() string {
	return path.Join(a.dir, a.view.Load().Timeline)
}

func (a *Archive) filePath(name string) string  { return path.Join(a.timelineDir(), name) }
func (a *Archive) indexPath(name string) string { return a.filePath(name) + indexSuffix }

const indexSuffix = ".idx"
