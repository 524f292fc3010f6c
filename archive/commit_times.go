package archive

import (
	"sort"
	"sync"
	"time"
)

// commitTimes remembers when bytes were committed, so that the age of the oldest byte
// that is not in the bucket can be told. It counts bytes since Open.
type commitTimes struct {
	mu    sync.Mutex
	total int64
	marks []commitMark // in order, the first at byte 0
}

// commitMark says that the bytes from one on, up to the next mark, were committed at a
// time or later.
type commitMark struct {
	from int64
	at   time.Time
}

const (
	commitMarkEvery = time.Second
	maxCommitMarks  = 1024 // then those go that make little difference
	commitMarkError = 20   // an age is too large by one part of so many, at most
)

// opened is the time of all that was there before.
func (c *commitTimes) opened(at time.Time) { c.marks = []commitMark{{at: at}} }

// add notes that so many bytes were committed.
func (c *commitTimes) add(bytes int64, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.Sub(c.marks[len(c.marks)-1].at) >= commitMarkEvery {
		c.marks = append(c.marks, commitMark{c.total, at})
	}
	c.total += bytes
	if len(c.marks) > maxCommitMarks {
		c.thinLocked(at)
	}
}

// thinLocked drops the marks without which no age is much larger.
func (c *commitTimes) thinLocked(now time.Time) {
	kept := c.marks[:1]
	for i, m := range c.marks[1 : len(c.marks)-1] {
		next := c.marks[i+2].at
		if next.Sub(kept[len(kept)-1].at) > now.Sub(next)/commitMarkError {
			kept = append(kept, m)
		}
	}
	c.marks = append(kept, c.marks[len(c.marks)-1])
}

// since is when the oldest of the last so many bytes was committed, or somewhat before:
// by a second, or by a twentieth of its age. It is the time of Open for what is older.
func (c *commitTimes) since(bytes int64) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	behind := sort.Search(len(c.marks), func(i int) bool { return c.marks[i].from > c.total-bytes })
	return c.marks[max(behind-1, 0)].at
}
