package archive

import (
	"io"
	"log/slog"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/remote"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Options say how a log is opened. Only Dir is needed.
type Options struct {
	Dir    string           // the source's directory: <data-dir>/<source>
	FS     FS               // nil = the operating system's
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = discard; told of recoveries, seals and gaps

	// Bucket is where Upload copies the log to; nil = there is none. What is sealed is
	// kept for it.
	Bucket *bucket.Bucket
	// Remote reads objects of Bucket's store: files that are not on the disk. nil = those
	// cannot be read.
	Remote *remote.Files
	Keep   Retention // of local files; only what is in the bucket is ever removed

	BufferSize  int           // bytes of each of the two commit buffers; 0 = 4 MiB
	CompareBack int64         // bytes before the end that a resumed stream repeats at least; 0 = 1 MiB
	IndexEvery  int64         // bytes between two index entries of files begun from now on; 0 = 128 KiB
	MarkEvery   time.Duration // how far MARK may lag behind; 0 = 1 s
	ReadBuffer  int           // bytes of a reader's buffer, which should hold a block of the index; 0 = 192 KiB, at least 2 * replication.EventPrefix

	// OnSync, if set, is told how long each fsync of binlog bytes took. It is called
	// by the committer and must be quick.
	OnSync func(time.Duration)
}

func (o Options) withDefaults() Options {
	setDefault(&o.FS, OS)
	setDefault(&o.Logger, slog.New(slog.NewTextHandler(io.Discard, nil)))
	setDefault(&o.BufferSize, 4<<20)
	setDefault(&o.CompareBack, 1<<20)
	setDefault(&o.IndexEvery, 128<<10)
	setDefault(&o.MarkEvery, time.Second)
	setDefault(&o.ReadBuffer, 192<<10)
	o.ReadBuffer = max(o.ReadBuffer, 2*replication.EventPrefix)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnSync == nil {
		o.OnSync = func(time.Duration) {}
	}
	return o
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}
