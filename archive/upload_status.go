package archive

import (
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// UploadStatus says how far the bucket has what the log has. Where nothing is copied now,
// Stored is as far as the last Upload came.
type UploadStatus struct {
	Epoch   uint64               // of our lease; 0 = we do not hold it
	Stored  replication.Position // everything before it is in the bucket; zero while nothing is
	Behind  int64                // durable bytes behind it
	Since   time.Time            // when the oldest of them was committed, at the earliest Open; zero for none
	Pending int                  // complete files that are not in the bucket's catalog
	Pieces  int64                // written since Open
	Bytes   int64                // of pieces
	Files   int64                // sealed in the bucket since Open
}

// uploadCounts are those of a Log, over all calls of Upload.
type uploadCounts struct {
	pieces, bytes, files atomic.Int64
	now                  atomic.Pointer[UploadStatus] // as the last step left it
}

// UploadStatus gives how far Upload is.
func (l *Log) UploadStatus() UploadStatus {
	c := &l.uploads
	var s UploadStatus
	if now := c.now.Load(); now != nil {
		s = *now
	}
	s.Pieces, s.Bytes, s.Files = c.pieces.Load(), c.bytes.Load(), c.files.Load()
	l.pubMu.Lock()
	s.Pending = len(l.toStore.sealed)
	l.pubMu.Unlock()
	if s.Behind = l.view.Load().bytesBehind(s.Stored); s.Behind > 0 {
		s.Since = l.ages.since(s.Behind)
	}
	return s
}

// tell publishes whose lease it is, while how far the bucket is stays as it was last known.
func (c *uploadCounts) tell(epoch uint64) {
	s := UploadStatus{Epoch: epoch}
	if before := c.now.Load(); before != nil {
		s.Stored = before.Stored
	}
	c.now.Store(&s)
}

// bytesBehind counts the durable bytes behind a position; all where that is zero.
func (v *view) bytesBehind(pos replication.Position) (n int64) {
	for i := len(v.files) - 1; i >= 0; i-- {
		f := v.files[i]
		end := v.end(i)
		if f.Name == v.Durable.File {
			end = v.Durable.Offset
		}
		if f.Name == pos.File {
			return n + max(0, end-pos.Offset)
		}
		if f.Stored {
			return n
		}
		n += end
	}
	return n
}

// tell publishes where the upload stands.
func (u *uploader) tell() {
	u.log.uploads.now.Store(&UploadStatus{Epoch: u.lease.Epoch(), Stored: u.reached})
}
