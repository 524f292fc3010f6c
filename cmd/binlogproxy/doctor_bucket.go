package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/open"
	"github.com/binlogproxy/binlogproxy/replication"
)

// bucketTime is how long the checks of a bucket may take together.
const bucketTime = time.Minute

// examineBucket looks at the bucket that all sources share. The store is nil where it cannot
// be used; else the caller closes it.
func examineBucket(ctx context.Context, url string, now func() time.Time) (s store.Store, all []diagnosis) {
	if url == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, bucketTime)
	defer cancel()
	s, err := open.URL(url, os.Getenv)
	if err == nil {
		_, err = s.List(ctx, "", "", 1)
	}
	if err != nil {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
		return nil, []diagnosis{named("", "bucket", fail("see docs/bucket.md for URL, credentials and rights", "%v", err))}
	}
	all = append(all, named("", "bucket", ok("%s answers", s)))
	all = append(all, examineStore(ctx, s)...)
	return s, append(all, named("", "bucket-clock", examineStoreClock(ctx, s, now)))
}

// examineStore proves rights and conditions, as run does before it writes.
func examineStore(ctx context.Context, s store.Store) []diagnosis {
	can, err := store.Probe(ctx, s, probePrefix)
	switch {
	case errors.Is(err, store.ErrIgnoresConditions):
		return []diagnosis{named("", "bucket-conditions", fail("use another store: two writers would destroy each other's archive", "%v", err))}
	case err != nil:
		return []diagnosis{named("", "bucket-rights", fail("give the account the rights that docs/bucket.md lists", "%v", err))}
	}
	return []diagnosis{
		named("", "bucket-rights", ok("objects can be written, read, listed, deleted and uploaded in parts")),
		named("", "bucket-conditions", ok("%s", can)),
	}
}

// storeClockLimit is how far the store's clock may be off. From a quarter of an hour on a
// store refuses signatures.
const storeClockLimit = time.Minute

func examineStoreClock(ctx context.Context, s store.Store, now func() time.Time) diagnosis {
	before := now()
	modified, err := modifiedNow(ctx, s)
	took := now().Sub(before)
	if err != nil {
		return fail("see the check of bucket-rights", "the store's clock is not known: %v", err)
	}
	apart := modified.Sub(before.Add(took / 2)).Round(time.Second)
	if apart.Abs() > storeClockLimit+took {
		return warn("synchronise both: a store refuses requests when clocks are a quarter of an hour apart", "the store's clock is %s off ours", apart)
	}
	return ok("%s off ours", apart)
}

// modifiedNow is the store's time, to the second.
func modifiedNow(ctx context.Context, s store.Store) (at time.Time, err error) {
	key := probePrefix + "clock-" + rand.Text()
	if _, err := s.Put(ctx, key, []byte("This object was written to learn what time it is. It may be deleted.\n"), store.PutOptions{}); err != nil {
		return at, err
	}
	head, err := s.Head(ctx, key)
	return head.Modified, errors.Join(err, s.Delete(ctx, key))
}

// examineLease says who writes the source's part of the bucket.
func examineLease(ctx context.Context, p *patient) diagnosis {
	lease, err := p.part().LeaseState(ctx)
	switch {
	case err != nil:
		return fail("see the exit codes in docs/operations.md", "%v", err)
	case lease == nil:
		return ok("the bucket never had a writer for %s", p.Name)
	case lease.Released:
		return ok("free; %s had it last", lease.Name)
	case lease.Writer == p.daemon.String():
		return ok("held for our data directory, by %s", lease.Name)
	}
	if ago := p.now().Sub(lease.Renewed); ago > lease.TTL {
		return warn(fmt.Sprintf("see that it is gone for good: run waits %s for it, and takes over", lease.TTL), "%s had the lease and has not given it back; its clock said %s", lease.Name, timeText(lease.Renewed))
	}
	return fail("stop one of the two: a source has one writer", "another writer has the lease: %s, renewed %s by its clock", lease.Name, timeText(lease.Renewed))
}

// examineIdentity compares the server whose history the bucket has with the source, or where
// that does not answer with the data directory.
func examineIdentity(ctx context.Context, p *patient) diagnosis {
	doc, err := p.part().Source(ctx)
	if err != nil {
		return fail("binlogproxy archive verify --from-bucket names what else is damaged", "%v", err)
	}
	if doc == nil {
		return ok("the bucket has nothing of %s yet", p.Name)
	}
	held, err := doc.Timelines[len(doc.Timelines)-1].Identity()
	if err != nil {
		return fail("binlogproxy archive verify --from-bucket names what else is damaged", "%v", err)
	}
	found, err := p.identity(ctx)
	switch {
	case err != nil:
		return unanswered(err)
	case found == (replication.UUID{}):
		return ok("the bucket has the history of %s; which server the source is is not known", held)
	case found != held.ServerUUID:
		return fail("give each source a name, or a bucket.url with a prefix, of its own", "the bucket has the history of %s under the name %s, the source is server %s", held, p.Name, found)
	}
	return ok("the bucket has the history of %s", held)
}

// identity is the source's server_uuid; zero where it is not known.
func (p *patient) identity(ctx context.Context) (id replication.UUID, err error) {
	if p.conn != nil {
		row, err := p.ask(ctx, "SELECT @@server_uuid")
		if err != nil {
			return id, err
		}
		return replication.ParseUUID(row[0])
	}
	var held catalog.Identity
	if a, err := archive.OpenReadOnly(ctx, archive.Options{Dir: p.dir}); err == nil {
		held, _ = a.Identity()
	}
	return held.ServerUUID, nil
}

// part is the source's part of the bucket.
func (p *patient) part() *bucket.Bucket { return bucket.New(p.store, p.Name, bucket.Options{}) }
