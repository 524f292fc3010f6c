package bucket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// leaseDoc is lease.json. It is never deleted, and written with If-Match only, so that an
// epoch is given once.
type leaseDoc struct {
	Format   int       `json:"format"`
	Epoch    uint64    `json:"epoch"`
	Writer   string    `json:"writer"`  // id of its data directory
	Name     string    `json:"name"`    // who it is, for people
	Counter  uint64    `json:"counter"` // of renewals
	TTL      int64     `json:"ttl_ms"`  // without a renewal for so long the lease has expired
	Released bool      `json:"released"`
	Began    time.Time `json:"began"`   // by the writer's clock, as renewed: for people
	Renewed  time.Time `json:"renewed"` // nobody decides by it
}

// maxTTL keeps a wrong number from locking everybody out for ever.
const maxTTL = 24 * time.Hour

func (d leaseDoc) ttl() time.Duration { return time.Duration(d.TTL) * time.Millisecond }

func (d leaseDoc) encode() ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	return append(b, '\n'), err
}

func decodeLease(b []byte) (leaseDoc, error) {
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return leaseDoc{}, err
	}
	if version.Format > catalog.Version {
		return leaseDoc{}, &catalog.VersionError{Version: version.Format}
	}
	var d leaseDoc
	if err := json.Unmarshal(b, &d); err != nil {
		return leaseDoc{}, err
	}
	if again, err := d.encode(); err != nil || !bytes.Equal(again, b) {
		return leaseDoc{}, errors.New("content that this program did not write")
	}
	if d.Format < 1 || d.Epoch < 1 || d.Epoch >= maxEpoch || d.TTL < 1 || d.ttl() > maxTTL {
		return leaseDoc{}, fmt.Errorf("epoch %d, ttl_ms %d", d.Epoch, d.TTL)
	}
	return d, nil
}

// heldLease is lease.json as it was read.
type heldLease struct {
	leaseDoc
	etag string
}

// free says that the writer with that id may take the lease at once. Another process
// with the same data directory is dead: the directory's LOCK says so.
func (h *heldLease) free(writer string) bool { return h == nil || h.Released || h.Writer == writer }

// readLease reads lease.json; nil where there is none.
func (b *Bucket) readLease(ctx context.Context) (*heldLease, error) {
	data, object, err := b.get(ctx, b.LeaseKey(), 1<<20)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	doc, err := decodeLease(data)
	if err != nil {
		return nil, damaged(b.LeaseKey(), "a lease.json that this program wrote", err)
	}
	return &heldLease{leaseDoc: doc, etag: object.ETag}, nil
}

// LeaseState is who is the writer, or was last.
type LeaseState struct {
	Epoch    uint64
	Writer   string        // id of its data directory
	Name     string        // for people
	TTL      time.Duration // without a renewal for so long the lease has expired
	Released bool          // it was given back
	Began    time.Time     // by the writer's clock, as Renewed
	Renewed  time.Time
}

// LeaseState reads the lease. It is nil, without an error, where there never was one.
func (b *Bucket) LeaseState(ctx context.Context) (*LeaseState, error) {
	held, err := b.readLease(ctx)
	if err != nil || held == nil {
		return nil, err
	}
	return &LeaseState{
		Epoch: held.Epoch, Writer: held.Writer, Name: held.Name, TTL: held.ttl(),
		Released: held.Released, Began: held.Began, Renewed: held.Renewed,
	}, nil
}
