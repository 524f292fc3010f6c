package replication

import "slices"

// interval is a run of transaction numbers: start <= n < end, as in the wire form.
//
// A list of intervals is always sorted and leaves a gap between neighbours
// (a.end < b.start), so that equal sets have equal lists.
type interval struct{ start, end int64 }

// firstEnding gives the index of the first interval whose end is at least n.
func firstEnding(list []interval, n int64) int {
	low, high := 0, len(list)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if list[middle].end < n {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// containsNumber reports whether n, below 2^63-1, is in the list.
func containsNumber(list []interval, n int64) bool {
	i := firstEnding(list, n+1)
	return i < len(list) && list[i].start <= n
}

// containsIntervals reports whether all of sub is in list.
func containsIntervals(list, sub []interval) bool {
	for _, iv := range sub {
		list = list[firstEnding(list, iv.end):]
		if len(list) == 0 || list[0].start > iv.start {
			return false
		}
	}
	return true
}

// insertInterval adds iv to the list in place and gives the list back.
func insertInterval(list []interval, iv interval) []interval {
	i := firstEnding(list, iv.start)
	j := i
	for j < len(list) && list[j].start <= iv.end {
		j++
	}
	if i == j {
		return slices.Insert(list, i, iv)
	}
	list[i] = interval{min(list[i].start, iv.start), max(list[j-1].end, iv.end)}
	return slices.Delete(list, i+1, j)
}

// appendInterval adds an interval that starts no earlier than the list's last one.
func appendInterval(list []interval, iv interval) []interval {
	if last := len(list) - 1; last >= 0 && iv.start <= list[last].end {
		list[last].end = max(list[last].end, iv.end)
		return list
	}
	return append(list, iv)
}

// uniteIntervals may change and return a; it keeps nothing of b.
func uniteIntervals(a, b []interval) []interval {
	switch {
	case len(a) == 0:
		return slices.Clone(b)
	case len(b) == 0:
		return a
	case len(b) == 1:
		return insertInterval(a, b[0])
	}
	out := make([]interval, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].start <= b[0].start {
			out, a = appendInterval(out, a[0]), a[1:]
		} else {
			out, b = appendInterval(out, b[0]), b[1:]
		}
	}
	for _, iv := range a {
		out = appendInterval(out, iv)
	}
	for _, iv := range b {
		out = appendInterval(out, iv)
	}
	return out
}

// subtractIntervals gives a new list of what is in a and not in b.
func subtractIntervals(a, b []interval) []interval {
	var out []interval
	for _, iv := range a {
		b = b[firstEnding(b, iv.start+1):]
		start := iv.start
		for i := 0; i < len(b) && b[i].start < iv.end; i++ {
			if start < b[i].start {
				out = append(out, interval{start, b[i].start})
			}
			start = b[i].end
		}
		if start < iv.end {
			out = append(out, interval{start, iv.end})
		}
	}
	return out
}

// intersectIntervals gives a new list of what is in both.
func intersectIntervals(a, b []interval) []interval {
	var out []interval
	for _, iv := range a {
		b = b[firstEnding(b, iv.start+1):]
		for i := 0; i < len(b) && b[i].start < iv.end; i++ {
			out = append(out, interval{max(iv.start, b[i].start), min(iv.end, b[i].end)})
		}
	}
	return out
}
