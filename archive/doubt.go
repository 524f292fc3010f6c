package archive

import (
	"fmt"

	"github.com/binlogproxy/binlogproxy/replication"
)

// doubt decides what is the matter with bytes that came from the bucket and do not verify.
// The network or the cache may have made others of them than the object holds: there is
// damage only if they are so again when they have been fetched again.
func (r *Reader) doubt(damage *DamageError) error {
	if r.certain {
		return r.archive.damagedStored(damage)
	}
	var header [replication.HeaderSize]byte
	n, _ := r.handle.ReadAt(header[:], damage.Offset) // what cannot be read now claims nothing
	r.handle.forget(damage.Offset, max(replication.ClaimedSize(header[:n]), int64(r.archive.opts.ReadBuffer)))
	again, err := r.archive.OpenAt(replication.Position{File: r.chunks.name, Offset: damage.Offset})
	if err != nil {
		return err
	}
	defer again.Close()
	again.certain, again.proof.trusted = true, true
	for again.file.Seq == r.file.Seq && (again.chunks.offset <= damage.Offset || again.chunks.left > 0) {
		if _, err := again.Next(); err != nil {
			return err
		}
	}
	return &RemoteError{Key: damage.File, Err: fmt.Errorf("other bytes arrived than the object holds: %v", damage)}
}

// storedDamage counts what readers have found in the bucket.
type storedDamage struct {
	found int64
	last  *DamageError
}

// damagedStored notes damage of an object in the bucket. It concerns who reads that: what
// is received does not depend on it.
func (a *Archive) damagedStored(damage *DamageError) error {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	a.storedDamage.found++
	a.storedDamage.last = damage
	return damage
}

// StoredDamage says how often readers have met damage in the bucket, and the last one; nil
// for none.
func (a *Archive) StoredDamage() (found int64, last *DamageError) {
	a.pubMu.Lock()
	defer a.pubMu.Unlock()
	return a.storedDamage.found, a.storedDamage.last
}
