package bucket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Holder is who wants to write.
type Holder struct {
	ID   string // of the data directory: a UUID
	Name string // for people: host and process
}

// Acquire makes the holder the writer of the source's part, with an epoch that nobody
// had before. It returns at once where nobody is the writer, or a process with the
// same data directory was. Otherwise it watches the lease of the other one, for as long as
// that promised to renew it at the latest, on its own clock: *HeldError if it is renewed
// meanwhile. The lease is to be renewed several times within ttl, which is at most a day.
func (b *Bucket) Acquire(ctx context.Context, h Holder, ttl time.Duration) (*Lease, error) {
	if h.ID == "" || ttl < time.Millisecond || ttl > maxTTL {
		return nil, fmt.Errorf("a lease of %s for %q: an id is needed, and a time of at most %s", ttl, h.ID, maxTTL)
	}
	held, err := b.readLease(ctx)
	if err == nil && !held.free(h.ID) {
		held, err = b.watch(ctx, held, h.ID)
	}
	if err != nil {
		return nil, err
	}
	return b.claim(ctx, held, h, ttl)
}

// watch waits until a lease has expired or was released.
func (b *Bucket) watch(ctx context.Context, held *heldLease, id string) (*heldLease, error) {
	b.opts.Logger.Info("waiting for another writer's lease to expire", "bucket", b.String(), "writer", held.Name, "at_most", held.ttl())
	began := b.opts.Now()
	for {
		left := held.ttl() - b.opts.Now().Sub(began)
		if err := b.opts.Sleep(ctx, max(min(held.ttl()/4, left), time.Millisecond)); err != nil {
			return nil, err
		}
		expired := b.opts.Now().Sub(began) >= held.ttl()
		now, err := b.readLease(ctx)
		switch {
		case store.Temporary(err):
			continue // what cannot be seen has not expired
		case err != nil:
			return nil, err
		case now == nil:
			return nil, &DamageError{Key: b.LeaseKey(), Expected: "the lease that was there", Found: "no such object"}
		case now.free(id):
			return now, nil
		case now.etag != held.etag:
			return nil, b.heldBy(now.leaseDoc)
		case expired:
			return now, nil
		}
	}
}

func (b *Bucket) heldBy(d leaseDoc) error {
	return &HeldError{Bucket: b.String(), Name: d.Name, Epoch: d.Epoch, Began: d.Began, Renewed: d.Renewed}
}

// claim writes the lease over the one that was seen.
func (b *Bucket) claim(ctx context.Context, held *heldLease, h Holder, ttl time.Duration) (*Lease, error) {
	epoch, cond := uint64(0), store.IfAbsent()
	if held != nil {
		epoch, cond = held.Epoch, store.IfMatch(held.etag)
	}
	if b.epoch.Load() == 0 {
		if _, err := b.Source(ctx); err != nil {
			return nil, err
		}
	}
	// Somebody may have deleted the lease, or put an older one there: its epochs stay used.
	epoch = max(epoch, b.epoch.Load())
	now := b.opts.Now().Round(0).UTC()
	l := &Lease{b: b, epoch: epoch + 1, holder: h, ttl: ttl, doc: leaseDoc{
		Format: catalog.Version, Epoch: epoch + 1, Writer: h.ID, Name: h.Name, TTL: ttl.Milliseconds(), Began: now, Renewed: now,
	}}
	if held != nil {
		l.before = held.Writer
	}
	err := l.write(ctx, l.doc, cond)
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, store.ErrCondition) {
		return nil, err
	}
	winner, readErr := b.readLease(ctx)
	if readErr != nil || winner == nil {
		return nil, errors.Join(err, readErr)
	}
	return nil, b.heldBy(winner.leaseDoc)
}
