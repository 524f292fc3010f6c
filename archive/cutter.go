package archive

import (
	"io"
	"math"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Sizes of big pieces, which a sealed object is made of: no smaller than a part may
// be, and in files of many GiB larger, so that no file has too many parts.
const (
	bigPiece    = 8 << 20
	maxBigPiece = 64 << 20
)

// bigPieceAt is the size of the big piece that begins at start.
func bigPieceAt(start int64) int {
	return int(min(max(bigPiece, start/(store.MaxParts/2)), maxBigPiece))
}

// stretch is a part of a file that becomes a piece, and what is said of it.
type stretch struct {
	first, end int64
	boundary   int64 // the last transaction boundary at or before end
	times      timeSpan
	gtids      *replication.GTIDSet // of the transactions that end in it
}

// cutter cuts a file that is being written into pieces: small ones, so that what was
// received is soon in the bucket, and big ones that take the place of the small.
// It reads along, so that it can say of each what transactions it holds.
//
// Small pieces end on transaction boundaries. So do big ones, but for those within a
// transaction that has no boundary between the smallest and the largest size of one:
// they end behind an event, or, of an event as large as they, anywhere. A restore
// goes back to the last boundary.
type cutter struct {
	file io.ReaderAt
	f    follower
	b    batch
	buf  []byte // of the file, from start on

	start  int64   // where the next big piece begins
	stored int64   // how far small pieces reach from there
	big    summary // of the transactions that end behind start
	small  summary // of those that end behind stored
}

// summary is what gathers of some transactions.
type summary struct {
	times timeSpan
	gtids *replication.GTIDSet
}

func newCutter(file io.ReaderAt, name string) *cutter {
	c := &cutter{file: file, f: newFollower(name, math.MaxInt64)}
	c.grow()
	c.big.gtids, c.small.gtids = &replication.GTIDSet{}, &replication.GTIDSet{}
	return c
}

func (c *cutter) grow() {
	if size := bigPieceAt(c.start); size > cap(c.buf) {
		c.buf = append(make([]byte, 0, size), c.buf...)
	}
}

// fill reads on to limit, an event's end, or until the next big piece is full.
//
// partly says that what comes behind limit will not be looked at before a piece is cut
// there: an event is then followed up to it.
func (c *cutter) fill(limit int64, partly bool) error {
	have := c.start + int64(len(c.buf))
	n := int(min(limit-have, int64(cap(c.buf)-len(c.buf))))
	if n > 0 {
		fresh := c.buf[len(c.buf) : len(c.buf)+n]
		if m, err := c.file.ReadAt(fresh, have); m < n {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		c.buf = c.buf[:len(c.buf)+n]
	}
	return c.walk(partly || c.full())
}

// full says that a big piece can be cut.
func (c *cutter) full() bool { return len(c.buf) == cap(c.buf) }

// walk follows the events that are in the buffer as a whole, and partly also the
// beginning of the last one.
func (c *cutter) walk(partly bool) error {
	c.b.reset(0)
	for {
		n, err := c.step(c.buf[c.walked()-c.start:], partly)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	for _, sum := range []*summary{&c.big, &c.small} {
		if err := sum.add(&c.b, c.f.at.blockTimes); err != nil {
			return err
		}
	}
	c.f.at.blockTimes = timeSpan{}
	return nil
}

func (s *summary) add(b *batch, times timeSpan) error {
	if times.last != 0 {
		s.times.add(times.first)
		s.times.add(times.last)
	}
	for i := range b.gtids {
		if err := b.gtids[i].addTo(s.gtids); err != nil {
			return err
		}
	}
	return nil
}

// walked is how far the events were followed.
func (c *cutter) walked() int64 { return c.f.at.offset + c.f.seen }

// step follows the event, or its next part, that p begins with. It returns how many
// bytes that is; 0 = more of it is needed.
func (c *cutter) step(p []byte, partly bool) (n int, err error) {
	left := int64(c.f.header.Size) - c.f.seen
	if c.f.seen == 0 {
		if len(p) < replication.HeaderSize {
			return 0, nil
		}
		left = replication.ClaimedSize(p)
	}
	n = int(min(left, int64(len(p))))
	last := int64(n) == left
	if !last && (!partly || n == 0 || c.f.seen == 0 && n < replication.EventPrefix) {
		return 0, nil
	}
	var out outcome
	if !last || !c.f.pass(p[:n], &out) {
		if err := c.f.take(p[:n], last); err != nil || !last {
			return n, err
		}
		if out, err = c.f.end(p[:n]); err != nil {
			return n, err
		}
	}
	c.b.note(&out)
	return n, nil
}

// cutSmall gives what can be a small piece now: up to the last boundary. ok is false
// where there is nothing new before one.
func (c *cutter) cutSmall() (s stretch, body []byte, ok bool) {
	if c.f.at.boundary <= max(c.stored, replication.FirstEventOffset) {
		return s, nil, false
	}
	s, body = c.stretch(c.stored, c.f.at.boundary, c.small)
	return s, body, true
}

// cutBig gives the next big piece, of a full buffer.
func (c *cutter) cutBig() (s stretch, body []byte) {
	end := c.walked()
	for _, better := range []int64{c.f.at.boundary, c.f.at.offset} {
		if better >= c.start+store.MinPart {
			end = better
			break
		}
	}
	return c.stretch(c.start, end, c.big)
}

// cutMerged gives a piece that takes the place of all small ones there are.
func (c *cutter) cutMerged() (s stretch, body []byte) {
	return c.stretch(c.start, max(c.stored, c.f.at.boundary), c.big)
}

func (c *cutter) stretch(first, end int64, sum summary) (stretch, []byte) {
	s := stretch{first: first, end: end, boundary: c.f.at.boundary, times: sum.times, gtids: sum.gtids}
	return s, c.buf[first-c.start : end-c.start]
}

// pending says that some of what was read is in no piece yet.
func (c *cutter) pending() bool {
	return c.start+int64(len(c.buf)) > max(c.stored, replication.FirstEventOffset)
}

// bytes gives a part of what was read; ok is false where that is not all in the buffer.
func (c *cutter) bytes(first, end int64) (body []byte, ok bool) {
	if first < c.start || end > c.start+int64(len(c.buf)) || first > end {
		return nil, false
	}
	return c.buf[first-c.start : end-c.start], true
}

// smallStored says that a small or merged piece that ends at end is in the bucket.
func (c *cutter) smallStored(end int64) {
	c.stored = end
	c.small = summary{gtids: &replication.GTIDSet{}}
}

// bigStored says that a big piece that ends at end is in the bucket.
func (c *cutter) bigStored(end int64) {
	rest := copy(c.buf, c.buf[end-c.start:])
	c.buf = c.buf[:rest]
	c.start, c.stored = end, end
	c.big = summary{gtids: &replication.GTIDSet{}}
	c.small = summary{gtids: &replication.GTIDSet{}}
	c.grow()
}
