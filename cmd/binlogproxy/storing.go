package main

import (
	"context"
	"errors"
	"sync"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// keepStoring copies the log into the bucket until ctx ends. It changes nothing for the
// other parts, but that the receiving waits for the first turn's verdict, and ends where
// another process writes, or the bucket holds another history.
func (s *source) keepStoring(ctx context.Context, o *openSource) {
	if s.daemon.storage == nil {
		o.admit()
		return
	}
	passes := s.passes("is not copied into the bucket", exitFailure, exitUsage)
	count := s.daemon.metrics.bucketErrors(s.name)
	_ = s.storing.run(ctx, s.pauseMax, func(ctx context.Context) error { return s.store(ctx, o) },
		func(err error) bool {
			count(err)
			behind := (*archive.BehindError)(nil)
			if errors.As(err, &behind) && o.log.FromBucket() {
				s.logger.Info("the bucket has more than when the directory was made from it: it is made anew")
				s.archiving.restart()
				return true
			}
			if refuses(err) {
				o.log.Refuse(err)
			}
			if _, bound := o.log.Identity(); bound && !o.log.FromBucket() {
				o.admit()
			}
			return passes(err)
		}) // nil when ctx has ended
}

// refuses says that what is received must not go on because of what the bucket says.
func refuses(err error) bool {
	code := exitCode(err)
	return code == exitFenced || code == exitHistory
}

// store is one turn of copying.
func (s *source) store(ctx context.Context, o *openSource) error {
	storage := s.daemon.storage
	can, err := storage.capabilities(ctx)
	if err != nil {
		return err
	}
	defer s.daemon.under.begin("copying source " + s.name)()
	turn, end := context.WithCancelCause(ctx)
	var prober sync.WaitGroup
	prober.Go(func() { storage.probeNowAndThen(turn, end) })
	defer prober.Wait()
	defer end(nil)
	err = o.log.Upload(turn, archive.UploadOptions{
		Bucket: o.bucket.Proved(can), Holder: storage.holder,
		LeaseTTL: storage.config.Lease, Interval: storage.config.PieceInterval,
		OnLease: func(predecessor string) {
			s.succeeds(predecessor)
			s.storing.well()
			o.admit()
		},
	})
	if cause := context.Cause(turn); ctx.Err() == nil && cause != nil {
		return cause
	}
	return err
}

// succeeds notes whose place this daemon has taken: of one with another data directory, the
// primary may not know yet that it is gone.
func (s *source) succeeds(predecessor string) {
	id, err := replication.ParseUUID(predecessor)
	if err != nil || id == s.daemon.uuid {
		return
	}
	s.predecessor.Store(new(uuidOf(id, s.name).String()))
}
