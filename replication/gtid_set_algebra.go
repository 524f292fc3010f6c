package replication

import "slices"

// Equal reports whether both sets hold the same GTIDs.
func (s *GTIDSet) Equal(o *GTIDSet) bool {
	return slices.EqualFunc(s.all(), o.all(), func(a, b gtidStream) bool {
		return a.id == b.id && slices.Equal(a.intervals, b.intervals)
	})
}

// ContainsSet reports whether every GTID of o is in s: mysqld's GTID_SUBSET(o, s).
func (s *GTIDSet) ContainsSet(o *GTIDSet) bool {
	for _, stream := range o.all() {
		if s == nil {
			return false
		}
		i, found := s.find(&stream.id)
		if !found || !containsIntervals(s.streams[i].intervals, stream.intervals) {
			return false
		}
	}
	return true
}

// AddSet puts all GTIDs of o into s. It keeps nothing of o's memory.
func (s *GTIDSet) AddSet(o *GTIDSet) {
	if o.IsEmpty() {
		return
	}
	s.streams, s.recent = combineStreams(s.streams, o.streams, uniteIntervals), 0
}

// Union gives a new set of the GTIDs that are in s, in o, or in both.
func (s *GTIDSet) Union(o *GTIDSet) *GTIDSet {
	union := s.Clone()
	union.AddSet(o)
	return union
}

// Subtract gives a new set of the GTIDs that are in s and not in o: mysqld's
// GTID_SUBTRACT(s, o).
func (s *GTIDSet) Subtract(o *GTIDSet) *GTIDSet {
	return &GTIDSet{streams: combineStreams(s.all(), o.all(), subtractIntervals)}
}

// Intersect gives a new set of the GTIDs that are in both s and o.
func (s *GTIDSet) Intersect(o *GTIDSet) *GTIDSet {
	return &GTIDSet{streams: combineStreams(s.all(), o.all(), intersectIntervals)}
}

// combineStreams applies an operation to each stream of two sorted lists; where one
// of them lacks a stream, the operation gets an empty list of intervals for it.
func combineStreams(a, b []gtidStream, operation func(a, b []interval) []interval) []gtidStream {
	out := make([]gtidStream, 0, max(len(a), len(b)))
	for len(a) > 0 || len(b) > 0 {
		order := 0
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = a[0].id.compare(&b[0].id)
		}
		var x, y gtidStream
		if order >= 0 {
			y, b = b[0], b[1:]
			x.id = y.id
		}
		if order <= 0 {
			x, a = a[0], a[1:]
		}
		if x.intervals = operation(x.intervals, y.intervals); len(x.intervals) > 0 {
			out = append(out, x)
		}
	}
	return out
}
