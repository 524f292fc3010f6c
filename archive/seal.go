package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// sealer is the queue of complete files that are not yet in the catalog, and the
// goroutine that puts them there, one after the other.
type sealer struct {
	mu      sync.Mutex
	cond    *sync.Cond
	queue   []*sealing
	waiting bool // the first of the queue failed: a kick tries again
	closing bool
	ending  atomic.Bool // what is left of the queue is left to the next Open
	done    chan struct{}

	failedSyncs int // since a file was sealed; only the goroutine's
}

// sealing is a complete file on its way into the catalog.
type sealing struct {
	catalog.Manifest
	index []byte // to be written over what stands there, before that is believed; nil = what stands there is good
}

func (s *sealer) init() {
	s.cond = sync.NewCond(&s.mu)
	s.done = make(chan struct{})
}

func (s *sealer) add(m catalog.Manifest) {
	s.mu.Lock()
	s.queue = append(s.queue, &sealing{Manifest: m})
	s.waiting = false
	s.cond.Signal()
	s.mu.Unlock()
}

func (s *sealer) kick() {
	s.mu.Lock()
	s.waiting = false
	s.cond.Signal()
	s.mu.Unlock()
}

// sealTime is how long Close may go on with the queue; the next Open seals the rest.
// Tests, on busy machines, allow more.
var sealTime = 500 * time.Millisecond

// close waits until the queue is empty or cannot be worked off, or sealTime is over.
func (s *sealer) close() {
	s.mu.Lock()
	s.closing = true
	s.cond.Signal()
	s.mu.Unlock()
	timer := time.AfterFunc(sealTime, func() { s.ending.Store(true) })
	defer timer.Stop()
	<-s.done
}

func (l *Log) sealLoop() {
	s := &l.sealer
	defer close(s.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ending.Load() {
		if ready := len(s.queue) > 0 && !s.waiting; !ready {
			if s.closing {
				return
			}
			s.cond.Wait()
			continue
		}
		f := s.queue[0]
		s.mu.Unlock()
		err := l.seal(f)
		if permanent(err) {
			l.stopWith(err)
		}
		s.mu.Lock()
		switch {
		case err == nil:
			s.queue = s.queue[1:]
		case errors.Is(err, ErrClosed):
			return
		case permanent(err):
			s.queue = nil
		default:
			s.waiting = true
			l.logger.Warn("a complete file could not be sealed, it will be tried again", "file", f.Name, "err", err)
		}
	}
}

// seal reads a complete file back, compares it with what was summed while it was
// written, and enters it into the catalog.
func (l *Log) seal(f *sealing) error {
	m := &f.Manifest
	name := l.filePath(m.Name)
	sha, crc, size, err := l.hashFile(name)
	if errors.Is(err, ErrClosed) {
		return err
	}
	if err != nil {
		return &DiskError{Op: "read", File: name, Err: err}
	}
	if size != m.Size || crc != uint32(m.CRC32C) {
		return &DamageError{File: name, Offset: 0, Expected: fmt.Sprintf("%d bytes with CRC32C %s", m.Size, m.CRC32C),
			Found: fmt.Sprintf("%d bytes with CRC32C %s", size, catalog.CRC32C(crc))}
	}
	m.SHA256 = hex.EncodeToString(sha)
	if err := l.sealIndex(f); err != nil {
		return err
	}
	l.counts.syncs.Add(1)
	if err := l.catalog.append(catalog.Record{Sealed: m}); err != nil {
		if d, ok := err.(*DiskError); ok {
			return l.sealError(d.Op, d.File, d.Err)
		}
		return err
	}
	l.sealer.failedSyncs = 0
	info, err := fileOf(m)
	if err != nil {
		return err
	}
	l.showSealed(m, info)
	l.counts.sealed.Add(1)
	l.evict()
	l.logger.Info("sealed", "file", m.Name, "size", m.Size, "sha256", m.SHA256)
	return nil
}

// showSealed tells readers of a sealed file, and keeps its manifest for the bucket.
func (l *Log) showSealed(m *catalog.Manifest, info File) {
	info.Local, info.Manifest = true, m
	l.pubMu.Lock()
	defer l.pubMu.Unlock()
	if l.opts.Bucket != nil {
		l.toStore.sealed = append(l.toStore.sealed, m)
	}
	l.publishLocked(func(v *view) { v.setFile(info) })
}

const hashBuffer = 1 << 20

// hashFile reads a file. It returns ErrClosed when the log no longer waits for it.
func (l *Log) hashFile(name string) (sha []byte, crc uint32, size int64, err error) {
	f, err := l.fs.OpenFile(name, ReadOnly)
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, hashBuffer)
	for {
		if l.sealer.ending.Load() {
			return nil, 0, 0, ErrClosed
		}
		n, err := f.ReadAt(buf, size)
		h.Write(buf[:n])
		crc = crc32.Update(crc, castagnoli, buf[:n])
		size += int64(n)
		if err == io.EOF {
			return h.Sum(nil), crc, size, nil
		}
		if err != nil {
			return nil, 0, 0, err
		}
	}
}

// sealIndex makes the index durable and puts its sum into the manifest. What an
// fsync that failed was to make durable, the kernel may have dropped: the next try
// writes all of it again.
func (l *Log) sealIndex(f *sealing) error {
	name := l.indexPath(f.Name)
	mode := ReadWrite
	if f.index != nil {
		mode = Create // recovery may have found none
	}
	h, err := l.fs.OpenFile(name, mode)
	if err != nil {
		return l.sealError("open", name, err)
	}
	defer h.Close()
	b := f.index
	if b == nil {
		if b, err = readFile(l.fs, name); err != nil {
			return &DiskError{Op: "read", File: name, Err: err}
		}
	}
	entries, _, valid, err := decodeIndex(b)
	if err == nil && (valid < len(b) || len(entries) == 0 || entries[len(entries)-1].offset != f.Size) {
		err = errors.New("it does not end with the file")
	}
	if err != nil {
		return &DamageError{File: name, Offset: int64(valid), Expected: "an index of the whole file", Found: err.Error()}
	}
	if f.index != nil {
		if err := writeAt(h, b, 0); err != nil {
			return l.sealError("write", name, err)
		}
		if err := syncDir(l.fs, l.timelineDir()); err != nil {
			return l.sealError("fsync", l.timelineDir(), err)
		}
	}
	l.counts.syncs.Add(1)
	if err := syncFile(h); err != nil {
		f.index = b
		return l.sealError("fsync", name, err)
	}
	f.index = nil
	f.IndexSize, f.IndexCRC32C = int64(len(b)), catalog.CRC32C(crc32.Checksum(b, castagnoli))
	return nil
}

// sealError is diskError for the sealer, which counts its own failed fsyncs: commits
// may go well between them.
func (l *Log) sealError(op, name string, err error) error {
	e := &DiskError{Op: op, File: name, Err: err}
	if e.failedSync() {
		l.sealer.failedSyncs++
		l.counts.syncFailures.Add(1)
		e.final = l.sealer.failedSyncs > 1
	}
	return e
}
