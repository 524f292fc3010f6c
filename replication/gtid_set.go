package replication

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
)

// GTIDSet is a set of GTIDs. The zero value and, for reading, the nil pointer are
// empty sets. Methods that only read may run beside each other; Add, AddInterval
// and AddSet may not run beside anything. A set that has been used must not be
// copied with =, but with Clone.
//
// It holds GTIDs of the MySQL family. What it is made of is not visible, so that
// MariaDB's sets (one position per domain) can live beside the streams later on:
// then GTID gets a domain and a server, ParseGTIDSet also reads "0-1-5" (which no
// set of the MySQL family looks like), and callers stay as they are.
type GTIDSet struct {
	streams []gtidStream // sorted by id, none without intervals
	recent  int          // index of the stream last added to: the next GTID is most likely its
}

// gtidStream is a sequence of transaction numbers that is counted on its own.
type gtidStream struct {
	id        gtidStreamID
	intervals []interval
}

type gtidStreamID struct {
	uuid UUID
	tag  Tag
}

// compare is the order in which mysqld prints and encodes (Tsid::operator<).
func (a *gtidStreamID) compare(b *gtidStreamID) int {
	if c := bytes.Compare(a.uuid[:], b.uuid[:]); c != 0 {
		return c
	}
	return strings.Compare(string(a.tag), string(b.tag))
}

// all gives the streams also of a nil set.
func (s *GTIDSet) all() []gtidStream {
	if s == nil {
		return nil
	}
	return s.streams
}

// find gives the index of a stream, or the one where it belongs.
func (s *GTIDSet) find(id *gtidStreamID) (index int, found bool) {
	if s.recent < len(s.streams) && s.streams[s.recent].id == *id {
		return s.recent, true
	}
	low, high := 0, len(s.streams)
	for low < high {
		middle := int(uint(low+high) >> 1)
		c := s.streams[middle].id.compare(id)
		if c == 0 {
			return middle, true
		}
		if c < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, false
}

// Add puts one GTID into the set; one that is there already changes nothing. Where
// it continues the stream that was added to last, the usual case, this takes
// constant time and no memory. The error is a number or a tag that no transaction
// can have; the set is then as before.
func (s *GTIDSet) Add(g GTID) error {
	if i, found := s.find(&gtidStreamID{g.UUID, g.Tag}); found {
		list := s.streams[i].intervals
		if last := &list[len(list)-1]; last.end == g.Number && g.Number <= MaxGTIDNumber {
			last.end++
			s.recent = i
			return nil
		}
	}
	return s.AddInterval(g.UUID, g.Tag, g.Number, g.Number)
}

// AddInterval puts the transactions first to last, both included, into the set.
// The error is a range or a tag that no transactions can have; the set is then as before.
func (s *GTIDSet) AddInterval(u UUID, t Tag, first, last int64) error {
	if first < 1 || last < first || last > MaxGTIDNumber {
		return fmt.Errorf("GTID %v: no transactions can have the numbers %d to %d", GTID{u, t, first}, first, last)
	}
	id := gtidStreamID{u, t}
	i, found := s.find(&id)
	if !found {
		if !t.valid() {
			return fmt.Errorf("GTID of %v: %q cannot be a tag", u, string(t))
		}
		s.streams = slices.Insert(s.streams, i, gtidStream{id: id})
	}
	s.streams[i].intervals = insertInterval(s.streams[i].intervals, interval{first, last + 1})
	s.recent = i
	return nil
}

// Contains reports whether the GTID is in the set. It takes no memory, and time
// logarithmic in the number of streams and of the stream's intervals.
func (s *GTIDSet) Contains(g GTID) bool {
	if s == nil || g.Number < 1 || g.Number > MaxGTIDNumber {
		return false
	}
	i, found := s.find(&gtidStreamID{g.UUID, g.Tag})
	return found && containsNumber(s.streams[i].intervals, g.Number)
}

// ContainsInterval reports whether the transactions first to last of a stream are
// all in the set. It takes no memory.
func (s *GTIDSet) ContainsInterval(u UUID, t Tag, first, last int64) bool {
	if s == nil || first < 1 || last < first || last > MaxGTIDNumber {
		return false
	}
	i, found := s.find(&gtidStreamID{u, t})
	if !found {
		return false
	}
	list := s.streams[i].intervals
	next := firstEnding(list, last+1)
	return next < len(list) && list[next].start <= first
}

// LackedUntil gives the largest number up to which, from g's on, nothing of g's
// stream is in the set; 0 if g itself is.
func (s *GTIDSet) LackedUntil(g GTID) int64 {
	if s == nil {
		return MaxGTIDNumber
	}
	i, found := s.find(&gtidStreamID{g.UUID, g.Tag})
	if !found {
		return MaxGTIDNumber
	}
	list := s.streams[i].intervals
	switch next := firstEnding(list, g.Number+1); {
	case next == len(list):
		return MaxGTIDNumber
	case list[next].start <= g.Number:
		return 0
	default:
		return list[next].start - 1
	}
}

// IsEmpty reports whether nothing is in the set.
func (s *GTIDSet) IsEmpty() bool { return len(s.all()) == 0 }

// HasTags reports whether a tagged GTID is in the set, which servers and clients
// older than 8.3 cannot read.
func (s *GTIDSet) HasTags() bool {
	return slices.ContainsFunc(s.all(), func(stream gtidStream) bool { return stream.id.tag != "" })
}

// Count is the number of GTIDs in the set, at most 2^64-1.
func (s *GTIDSet) Count() uint64 {
	var n uint64
	for _, stream := range s.all() {
		for _, iv := range stream.intervals {
			size := uint64(iv.end - iv.start)
			if n > math.MaxUint64-size {
				return math.MaxUint64
			}
			n += size
		}
	}
	return n
}

// Clone gives a set of its own with the same GTIDs; of nil, an empty one.
func (s *GTIDSet) Clone() *GTIDSet {
	return &GTIDSet{streams: cloneStreams(s.all())}
}

// ForUUID gives a new set of those GTIDs, tagged or not, that have this UUID.
func (s *GTIDSet) ForUUID(u UUID) *GTIDSet {
	all := s.all()
	from := 0
	for from < len(all) && all[from].id.uuid != u {
		from++
	}
	to := from
	for to < len(all) && all[to].id.uuid == u {
		to++
	}
	return &GTIDSet{streams: cloneStreams(all[from:to])}
}

func cloneStreams(streams []gtidStream) []gtidStream {
	clone := slices.Clone(streams)
	for i := range clone {
		clone[i].intervals = slices.Clone(clone[i].intervals)
	}
	return clone
}
