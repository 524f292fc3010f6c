package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

// UploadOptions say how a log is copied into a bucket. Only Bucket and Holder are needed.
type UploadOptions struct {
	Bucket *bucket.Bucket
	Holder bucket.Holder // who we are: the data directory

	LeaseTTL time.Duration // without a renewal for so long, another may take over; 0 = 30 s
	Interval time.Duration // how long what was received waits for its piece; 0 = 5 s
	Clock    Clock         // nil = the system's

	// OnLease, if set, is called when the lease was won and the bucket holds nothing
	// that the log lacks: what is received now goes on where the bucket ends. The
	// predecessor is the ID of who had the lease before; "" = nobody is known.
	OnLease func(predecessor string)
}

// Clock lets tests decide what time it is.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (o UploadOptions) withDefaults() UploadOptions {
	setDefault(&o.LeaseTTL, 30*time.Second)
	setDefault(&o.Interval, 5*time.Second)
	setDefault(&o.Clock, Clock(systemClock{}))
	if o.OnLease == nil {
		o.OnLease = func(string) {}
	}
	return o
}

// Upload takes the bucket's lease and copies the log into it until ctx ends or
// something fails: what is being received in pieces, complete files as such. It
// changes nothing for receiving and reading. It is called again after an error that
// is not permanent; what was done is not done again. One call at a time.
//
// When ctx ends, what was received is still stored, as far as lastWords allow, and
// the lease is given back: the result is nil.
//
// Errors: *bucket.HeldError while another writer lives, bucket.ErrFenced when one has
// taken over, *IdentityError for the bucket of another server, *HistoryError where
// bucket and log contradict each other, *BehindError where the bucket has more, or
// what the bucket said.
func (l *Log) Upload(ctx context.Context, opts UploadOptions) error {
	opts = opts.withDefaults()
	lease, err := opts.Bucket.Acquire(ctx, opts.Holder, opts.LeaseTTL)
	if err != nil {
		return endedOr(ctx, err)
	}
	u := &uploader{log: l, opts: opts, lease: lease, logger: l.logger.With("epoch", lease.Epoch())}
	defer u.close()
	l.uploads.tell(lease.Epoch())
	defer l.uploads.tell(0)
	writing, lost := context.WithCancelCause(ctx)
	var renewer sync.WaitGroup
	renewer.Go(func() { u.renew(writing, lost) })
	err = u.run(writing)
	if cause := context.Cause(writing); ctx.Err() == nil && cause != nil {
		err = cause
	}
	lost(nil)
	renewer.Wait()
	u.stopSealing()
	if ctx.Err() == nil || errors.Is(err, bucket.ErrFenced) {
		return err
	}
	u.lastWords(ctx)
	return nil
}

// endedOr is err, unless ctx has ended: then nobody waits for an error.
func endedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// uploader is one call of Upload.
type uploader struct {
	log    *Log
	opts   UploadOptions
	logger *slog.Logger
	lease  *bucket.Lease
	writer *bucket.Writer

	timeline catalog.Timeline     // that is written to
	next     uint64               // sequence number of the file in hand
	hand     *fileUpload          // what is being received; nil while nothing of it is seen
	waiting  []*fileUpload        // complete files behind the last that the catalog lists, in order
	sealing  chan error           // answers when the first of waiting is sealed; nil = it is not being done
	compared bool                 // what the bucket has was found to be the log's
	listed   uint64               // the last file that the bucket's catalog listed at the beginning
	gaps     []Gap                // that the bucket's source.json has
	reached  replication.Position // everything before it is in the bucket, as far as is known
	ahead    replication.Position // how far pieces are behind a file that has none and is not sealed: they do not count yet; zero for none
}

// run copies until ctx ends.
func (u *uploader) run(ctx context.Context) error {
	if err := u.begin(ctx); err != nil {
		return err
	}
	for {
		changed := u.log.Changed()
		more, err := u.step(ctx)
		u.tell()
		if err != nil || ctx.Err() != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-u.sealing:
			if err := u.sealed(err); err != nil {
				return err
			}
		case <-u.due():
		case <-u.idle(changed):
		}
	}
}

// pollEvery is how often the log is looked at while there is something to wait for.
// Following each of its commits would cost more than it is worth.
const pollEvery = 200 * time.Millisecond

// due tells when to look again; nil = when the log changes.
func (u *uploader) due() <-chan time.Time {
	if u.hand == nil || u.hand.since.IsZero() {
		return nil
	}
	left := u.hand.since.Add(u.opts.Interval).Sub(u.opts.Clock.Now())
	return u.opts.Clock.After(max(min(left, pollEvery), time.Millisecond))
}

// idle gives changed where nothing else says when to look again.
func (u *uploader) idle(changed <-chan struct{}) <-chan struct{} {
	if u.hand == nil || u.hand.since.IsZero() {
		return changed
	}
	return nil
}

// step does what is due next. more says that there may be something else.
func (u *uploader) step(ctx context.Context) (more bool, err error) {
	if err := u.holds(ctx); err != nil {
		return false, err
	}
	if err := u.storeGaps(ctx); err != nil {
		return false, err
	}
	u.startSealing(ctx)
	f, complete, ok := u.log.fileForUpload(u.next)
	if !ok || len(u.waiting) >= maxWaiting {
		return false, nil
	}
	if u.hand == nil {
		if u.hand, err = u.openFile(f.Seq, f.Name); err != nil {
			return false, err
		}
		if complete { // an old one, at once sealed from the log
			return true, u.done(ctx, 0)
		}
	}
	if complete {
		return true, u.done(ctx, f.Size)
	}
	if f.Seq <= u.listed {
		return false, nil // restored from the bucket, which has all of it
	}
	return u.hand.store(ctx, f.Size)
}

// maxWaiting is how many complete files may wait for their sealing before pieces of the
// next one are held back, too: they would not count before that.
const maxWaiting = 2

// done moves the file in hand, which is complete, to those that wait for their sealing.
// Before that its bytes up to size are stored in pieces, so that those of the next file count.
func (u *uploader) done(ctx context.Context, size int64) error {
	if size > 0 && u.hand.seq > u.listed {
		if err := u.hand.flush(ctx, size); err != nil {
			return err
		}
	}
	u.hand.bare = size == 0 && u.hand.seq > u.listed
	u.waiting = append(u.waiting, u.hand)
	u.hand = nil
	u.next++
	return nil
}

// piecesReach notes how far the pieces are. What has none and is not sealed keeps those of
// later files from counting.
func (u *uploader) piecesReach(pos replication.Position) {
	if u.waitsBare() {
		u.ahead = pos
		return
	}
	u.reached = pos
}

func (u *uploader) waitsBare() bool {
	return slices.ContainsFunc(u.waiting, func(f *fileUpload) bool { return f.bare })
}

// renew keeps the lease until ctx ends. Where another has taken it, it ends the upload.
// While the bucket cannot be reached it goes on trying until the lease has expired: pieces
// and catalog are safe by themselves. Then it ends the upload too, which nothing else
// does while nothing is received, so that the status tells.
func (u *uploader) renew(ctx context.Context, lost context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-u.opts.Clock.After(u.opts.LeaseTTL / 3):
		}
		err := u.lease.Renew(ctx)
		switch {
		case errors.Is(err, bucket.ErrFenced):
			lost(err)
			return
		case err != nil && u.lease.Expired():
			lost(expired(err))
			return
		case err != nil && ctx.Err() == nil:
			u.logger.Warn("the lease of the bucket could not be renewed, it is tried again", "err", err)
		}
	}
}

// holds makes sure that the lease is ours. One that has expired, because this process was
// stopped or the bucket was away, may be another's by now: what is written then might not
// count.
func (u *uploader) holds(ctx context.Context) error {
	if !u.lease.Expired() {
		return nil
	}
	if err := u.lease.Renew(ctx); err != nil {
		return expired(err)
	}
	return nil
}

func expired(err error) error {
	return fmt.Errorf("the lease of the bucket has expired, and is not renewed: %w", err)
}

// lastTime is how long the end of an upload may take.
const lastTime = 3 * time.Second

// lastWords stores what was received since the last piece, and gives the lease back,
// so that the next writer need not wait.
func (u *uploader) lastWords(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
	defer cancel()
	if u.compared {
		if err := u.storeLast(ctx); err != nil {
			u.logger.Warn("what was received last is not in the bucket yet; the next start goes on with it", "err", err)
		}
	}
	if err := u.lease.Release(ctx); err != nil {
		u.logger.Warn("the lease of the bucket could not be given back: another machine waits until it has expired", "err", err)
	}
}

// storeLast stores what was received of the file in hand.
func (u *uploader) storeLast(ctx context.Context) error {
	f, complete, ok := u.log.fileForUpload(u.next)
	if !ok || complete || f.Seq <= u.listed {
		return nil
	}
	if u.hand == nil {
		var err error
		if u.hand, err = u.openFile(f.Seq, f.Name); err != nil {
			return err
		}
	}
	return u.hand.flush(ctx, f.Size)
}

func (u *uploader) close() {
	for _, f := range u.waiting {
		f.close()
	}
	if u.hand != nil {
		u.hand.close()
	}
}
