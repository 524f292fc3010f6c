package replication

import (
	"cmp"
	"slices"
)

// gtidSetBuilder makes a set of intervals that come in any order and may overlap.
// It sorts once at the end, so that hostile input (streams or intervals from last
// to first) costs no more than n log n.
type gtidSetBuilder struct {
	streams  []gtidStream
	unsorted []bool               // by stream: its intervals need sorting
	index    map[gtidStreamID]int // into streams
	current  int                  // stream of the last interval
}

func (b *gtidSetBuilder) add(id gtidStreamID, iv interval) {
	if len(b.streams) == 0 || b.streams[b.current].id != id {
		b.open(id)
	}
	stream := &b.streams[b.current]
	if last := len(stream.intervals) - 1; last >= 0 && iv.start < stream.intervals[last].start {
		stream.intervals = append(stream.intervals, iv)
		b.unsorted[b.current] = true
		return
	}
	stream.intervals = appendInterval(stream.intervals, iv)
}

// open makes the stream the current one.
func (b *gtidSetBuilder) open(id gtidStreamID) {
	i, found := b.index[id]
	if !found {
		if b.index == nil {
			b.index = make(map[gtidStreamID]int)
		}
		i = len(b.streams)
		b.index[id] = i
		b.streams = append(b.streams, gtidStream{id: id})
		b.unsorted = append(b.unsorted, false)
	}
	b.current = i
}

// set ends the building.
func (b *gtidSetBuilder) set() *GTIDSet {
	for i, unsorted := range b.unsorted {
		if unsorted {
			b.streams[i].intervals = normalize(b.streams[i].intervals)
		}
	}
	slices.SortFunc(b.streams, func(x, y gtidStream) int { return x.id.compare(&y.id) })
	return &GTIDSet{streams: b.streams}
}

// normalize turns intervals in any order into a list of intervals, in place.
func normalize(intervals []interval) []interval {
	slices.SortFunc(intervals, func(x, y interval) int { return cmp.Compare(x.start, y.start) })
	list := intervals[:0]
	for _, iv := range intervals {
		list = appendInterval(list, iv)
	}
	return list
}
