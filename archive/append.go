package archive

import (
	"github.com/binlogproxy/binlogproxy/replication"
)

// Append takes the next bytes of the current event; see replica.Sink. The bytes
// are copied. It waits while both buffers are full, and then for the disk. What it
// has taken is neither durable nor visible before a commit, which Flush or a full
// buffer begins.
func (l *Log) Append(part []byte, last bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readyLocked(); err != nil {
		return err
	}
	return l.appendLocked(part, last)
}

func (l *Log) appendLocked(part []byte, last bool) error {
	if l.file != fileOpen {
		return &StreamError{Reason: "an event before StartFile"}
	}
	if l.compare != nil {
		return l.compareLocked(part, last)
	}
	if err := l.in.take(part, last); err != nil {
		return err
	}
	if err := l.copyLocked(part); err != nil {
		return err
	}
	if !last {
		return nil
	}
	out, err := l.in.end(part)
	if err != nil {
		return err
	}
	if out.previous != nil {
		if err := l.goesOn(l.in.name, out.previous); err != nil {
			l.stopLocked(err)
			return err
		}
	}
	l.active.note(&out)
	return nil
}

// copyLocked puts p into the active buffer, handing it over whenever it is full.
func (l *Log) copyLocked(p []byte) error {
	for {
		n := min(len(p), l.active.room())
		l.active.data = append(l.active.data, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if err := l.makeRoomLocked(1); err != nil {
			return err
		}
	}
}

// makeRoomLocked hands the active buffer over and waits for one with n bytes free.
func (l *Log) makeRoomLocked(n int) error {
	l.flush = true
	l.cond.Broadcast()
	for l.active.room() < n {
		l.cond.Wait()
		if err := l.readyLocked(); err != nil {
			return err
		}
	}
	return nil
}

// refused says that no calls are taken any more.
func (l *Log) refused() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	return nil
}

// readyLocked says why nothing can be taken, if so.
func (l *Log) readyLocked() error {
	switch {
	case l.closed:
		return ErrClosed
	case l.stop != nil:
		return l.stop
	}
	return l.fault
}

// Flush says that nothing more is to be had for now: what was appended is
// committed as soon as the disk is free. It does not wait.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
}

// flushLocked wakes the committer each time: it may sleep although flush is set, if
// there was nothing to commit when that was done.
func (l *Log) flushLocked() {
	if len(l.active.data) > 0 {
		l.flush = true
		l.cond.Broadcast()
	}
}

// End gives the position behind the last whole event held; ok is false while
// nothing is held. What was appended counts before it is durable.
func (l *Log) End() (end replication.Position, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return replication.Position{File: l.in.name, Offset: l.in.at.offset}, l.file != noFile
}

// Successor names the file that follows End, where the last event held ends its
// file and names it (ROTATE) or lets the server go on with the next number (STOP);
// "" otherwise.
func (l *Log) Successor() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.in.at.next
}

// settleLocked forgets an unfinished event and waits until everything before it is
// committed. It returns the fault that keeps it from that.
func (l *Log) settleLocked() error {
	torn := l.in.seen > 0
	l.in.abort()
	if end := l.in.at.offset; torn && l.fault == nil {
		if b := l.active; b.base < end {
			b.data = b.data[:end-b.base]
		} else {
			b.data = b.data[:0]
		}
	}
	for (l.busy || len(l.active.data) > 0) && l.fault == nil && l.stop == nil {
		if l.closed && !l.closing { // what is left is for Close
			return ErrClosed
		}
		l.flushLocked()
		l.cond.Wait()
	}
	if l.fault != nil {
		return l.fault
	}
	if l.stop != nil || l.cur == nil || l.cur.written == l.cur.end.offset {
		l.active.base = l.in.at.offset
		return l.stop
	}
	if err := l.doLocked(l.dropUnfinished); err != nil {
		l.failLocked(err)
		return err
	}
	l.active.base = l.in.at.offset
	return nil
}
