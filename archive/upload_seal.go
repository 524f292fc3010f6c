package archive

import (
	"context"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// startSealing begins to make the oldest complete file an object of the bucket, beside
// what else goes on, once the log has sealed it.
func (u *uploader) startSealing(ctx context.Context) {
	if u.sealing != nil || len(u.waiting) == 0 {
		return
	}
	f := u.waiting[0]
	m, ok := u.log.unstoredManifest(f.seq)
	if !ok {
		return
	}
	answer := make(chan error, 1)
	u.sealing = answer
	go func() { answer <- f.seal(ctx, m) }()
}

// sealed takes the answer of a sealing.
func (u *uploader) sealed(err error) error {
	u.sealing = nil
	if err != nil {
		return err
	}
	f := u.waiting[0]
	f.close()
	u.waiting = u.waiting[1:]
	if f.bare {
		u.reached = replication.Position{File: f.name, Offset: f.size}
	}
	if u.ahead.File != "" && !u.waitsBare() {
		u.reached, u.ahead = u.ahead, replication.Position{}
	}
	return nil
}

// stopSealing waits for a sealing whose context has ended.
func (u *uploader) stopSealing() {
	if u.sealing != nil {
		<-u.sealing
		u.sealing = nil
	}
}

// seal makes a complete file an object of the bucket and enters it into the catalog
// there. When it returns nil, the log knows that it need not keep the file.
func (f *fileUpload) seal(ctx context.Context, m *catalog.Manifest) error {
	u := f.u
	path := u.log.indexPath(m.Name)
	index, err := readFile(u.log.fs, path)
	if err != nil {
		return &DiskError{Op: "read", File: path, Err: err}
	}
	f.size = m.Size
	stored, err := u.writer.Seal(ctx, bucket.Sealing{Timeline: u.timeline, Manifest: *m, Pieces: f.bigs, Local: f.file, Index: index})
	if err != nil {
		return err
	}
	if err := u.log.noteStored(m.Seq, stored.ETag); err != nil {
		return err
	}
	u.log.uploads.files.Add(1)
	u.log.evict()
	u.logger.Info("in the bucket", "file", m.Name, "size", m.Size)
	return u.writer.DropOpen(ctx, u.timeline, m.Name)
}
