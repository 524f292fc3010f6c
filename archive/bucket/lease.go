package bucket

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Lease is the right to write. It keeps others from trying; what keeps them from doing
// harm is the epoch. Its methods may be called concurrently.
type Lease struct {
	b      *Bucket
	epoch  uint64
	holder Holder
	ttl    time.Duration
	before string // id of who had the lease before; "" = nobody

	written atomic.Pointer[time.Time] // when the last write of it that succeeded was begun, by our clock

	mu   sync.Mutex // held over a request: renewals follow each other
	doc  leaseDoc
	etag string
	lost error // ErrFenced, once it is so
}

// Epoch is the number of this reign. Nobody else ever has it.
func (l *Lease) Epoch() uint64 { return l.epoch }

// Predecessor is the ID of who had the lease before: another process with the same data
// directory, or a writer that is gone. "" = nobody is known.
func (l *Lease) Predecessor() string { return l.before }

// Expired says that the lease was not renewed for as long as it promised: another writer
// may have taken it, which only a Renew can tell.
func (l *Lease) Expired() bool { return l.b.opts.Now().Sub(*l.written.Load()) >= l.ttl }

// Renew tells the others that the holder lives. ErrFenced: one of them has not believed
// it, and has taken over. After another error the lease is still held, until it expires.
func (l *Lease) Renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.doc
	next.Counter++
	next.Renewed = l.b.opts.Now().Round(0).UTC()
	return l.updateLocked(ctx, next)
}

// Release lets the next one take the lease at once. The lease is over then, also for its
// holder. That somebody else has it is no error.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.doc
	next.Counter++
	next.Released = true
	err := l.updateLocked(ctx, next)
	if errors.Is(err, ErrFenced) {
		return nil
	}
	if err == nil {
		l.lost = fmt.Errorf("the lease was released: %w", ErrFenced)
	}
	return err
}

func (l *Lease) updateLocked(ctx context.Context, next leaseDoc) error {
	if l.lost != nil {
		return l.lost
	}
	for {
		err := l.write(ctx, next, store.IfMatch(l.etag))
		if !errors.Is(err, store.ErrCondition) {
			return err
		}
		now, err := l.b.readLease(ctx)
		if err != nil {
			return err
		}
		if now == nil {
			return &DamageError{Key: l.b.LeaseKey(), Expected: "the lease that was there", Found: "no such object"}
		}
		if now.Epoch != l.epoch {
			l.lost = fmt.Errorf("%w: %s, with epoch %d", ErrFenced, now.Name, now.Epoch)
			return l.lost
		}
		// An earlier renewal of ours, whose outcome was not known, has arrived after all.
		l.etag = now.etag
		next.Counter = max(next.Counter, now.Counter+1)
	}
}

func (l *Lease) write(ctx context.Context, doc leaseDoc, cond store.Condition) error {
	body, err := doc.encode()
	if err != nil {
		return err
	}
	begun := l.b.opts.Now()
	etag, err := l.b.swap(ctx, l.b.LeaseKey(), body, cond)
	if err == nil {
		l.written.Store(&begun)
		l.doc, l.etag = doc, etag
	}
	return err
}
