package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// sealer is the queue of complete files that are not yet in the catalog, and the
// goroutine that puts them there, one after the other.
type sealer struct {
	mu      sync.Mutex
	cond    *sync.Cond
	queue   []manifest
	waiting bool // the first of the queue failed: a kick tries again
	closing bool
	done    chan struct{}
}

func (s *sealer) init() {
	s.cond = sync.NewCond(&s.mu)
	s.done = make(chan struct{})
}

func (s *sealer) add(m manifest) {
	s.mu.Lock()
	s.queue = append(s.queue, m)
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

// close lets the goroutine end when the queue is empty or cannot be worked off.
func (s *sealer) close() {
	s.mu.Lock()
	s.closing = true
	s.cond.Signal()
	s.mu.Unlock()
}

func (l *Log) sealLoop() {
	s := &l.sealer
	defer close(s.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if ready := len(s.queue) > 0 && !s.waiting; !ready {
			if s.closing {
				return
			}
			s.cond.Wait()
			continue
		}
		m := s.queue[0]
		s.mu.Unlock()
		err := l.seal(m)
		if permanent(err) {
			l.stopWith(err)
		}
		s.mu.Lock()
		switch {
		case err == nil:
			s.queue = s.queue[1:]
		case permanent(err):
			s.queue = nil
		default:
			s.waiting = true
			l.logger.Warn("a complete file could not be sealed, it will be tried again", "file", m.Name, "err", err)
		}
	}
}

// seal reads a complete file back, compares it with what was summed while it was
// written, and enters it into the catalog.
func (l *Log) seal(m manifest) error {
	name := l.filePath(m.Name)
	sha, crc, size, err := l.hashFile(name)
	if err != nil {
		return &DiskError{Op: "read", File: name, Err: err}
	}
	if size != m.Size || crc != uint32(m.CRC32C) {
		return &DamageError{File: name, Offset: 0, Expected: fmt.Sprintf("%d bytes with CRC32C %s", m.Size, m.CRC32C),
			Found: fmt.Sprintf("%d bytes with CRC32C %s", size, crcHex(crc))}
	}
	m.SHA256 = hex.EncodeToString(sha)
	if err := l.sealIndex(&m); err != nil {
		return err
	}
	if err := l.catalog.append(record{Sealed: &m}); err != nil {
		return err
	}
	info, err := m.info()
	if err != nil {
		return err
	}
	l.publish(func(v *view) { v.setFile(info) })
	l.counts.sealed.Add(1)
	l.logger.Info("sealed", "file", m.Name, "size", m.Size, "sha256", m.SHA256)
	return nil
}

const hashBuffer = 1 << 20

func (l *Log) hashFile(name string) (sha []byte, crc uint32, size int64, err error) {
	f, err := l.fs.OpenFile(name, ReadOnly)
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, hashBuffer)
	for {
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

// sealIndex makes the index durable and puts its sum into the manifest.
func (l *Log) sealIndex(m *manifest) error {
	name := l.indexPath(m.Name)
	f, err := l.fs.OpenFile(name, ReadWrite)
	if err != nil {
		return &DiskError{Op: "open", File: name, Err: err}
	}
	err = syncFile(f)
	f.Close()
	if err != nil {
		return &DiskError{Op: "fsync", File: name, Err: err}
	}
	b, err := readFile(l.fs, name)
	if err != nil {
		return &DiskError{Op: "read", File: name, Err: err}
	}
	entries, _, valid, err := decodeIndex(b)
	if err == nil && (valid < len(b) || len(entries) == 0 || entries[len(entries)-1].offset != m.Size) {
		err = errors.New("it does not end with the file")
	}
	if err != nil {
		return &DamageError{File: name, Offset: int64(valid), Expected: "an index of the whole file", Found: err.Error()}
	}
	m.IndexSize, m.IndexCRC32C = int64(len(b)), crcHex(crc32.Checksum(b, castagnoli))
	return nil
}
