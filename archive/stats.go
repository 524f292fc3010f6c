package archive

import (
	"sync/atomic"
	"time"
)

// Stats are counters since Open, for metrics.
type Stats struct {
	Bytes        int64 // committed
	Events       int64
	Transactions int64
	Commits      int64
	Syncs        int64 // fsyncs of files
	SyncFailures int64
	FilesStarted int64
	FilesSealed  int64
	Repairs      int64 // returns to the last commit after a failed disk operation
	CutBytes     int64 // torn tail that recovery cut off
	Evicted      int64 // files removed from the disk because the bucket has them
	IndexRebuilt int64 // indexes that recovery found unreadable and rebuilt from proven bytes

	LastEvent  time.Time // of the last event committed, by the source's clock; zero for none
	LastCommit time.Time // when that was committed, by ours
}

type counters struct {
	bytes, events, transactions, commits, syncs, syncFailures atomic.Int64
	files, sealed, repairs, cutBytes, indexRebuilt, evicted   atomic.Int64
	lastEvent, lastCommit                                     atomic.Int64
}

func (c *counters) committed(now time.Time, b *batch, before *cursor) {
	c.bytes.Add(b.end.offset - before.offset)
	c.events.Add(b.end.events - before.events)
	c.transactions.Add(b.end.transactions - before.transactions)
	c.commits.Add(1)
	c.lastEvent.Store(b.end.lastTime)
	c.lastCommit.Store(now.UnixNano())
}

// Stats gives the counters. They are not one snapshot.
func (l *Log) Stats() Stats {
	c := &l.counts
	s := Stats{
		Bytes: c.bytes.Load(), Events: c.events.Load(), Transactions: c.transactions.Load(), Commits: c.commits.Load(),
		Syncs: c.syncs.Load(), SyncFailures: c.syncFailures.Load(), FilesStarted: c.files.Load(), FilesSealed: c.sealed.Load(),
		Repairs: c.repairs.Load(), CutBytes: c.cutBytes.Load(), IndexRebuilt: c.indexRebuilt.Load(), Evicted: c.evicted.Load(),
	}
	if t := c.lastEvent.Load(); t != 0 {
		s.LastEvent = time.Unix(t, 0)
	}
	if t := c.lastCommit.Load(); t != 0 {
		s.LastCommit = time.Unix(0, t)
	}
	return s
}
