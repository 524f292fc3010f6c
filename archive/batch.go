package archive

import "github.com/binlogproxy/binlogproxy/replication"

// batch is one of the two commit buffers: a run of a file's bytes and what was
// learned of them on the way in. Its slices are reused.
type batch struct {
	base     int64 // offset of data[0]
	data     []byte
	points   []point
	gtids    []gtidRange // of the transactions that ended in it, in order
	previous *replication.GTIDSet
	end      cursor // behind the last whole event; its offset may lie before base
}

// gtidRange is a GTID and those behind it, up to the number last.
type gtidRange struct {
	first replication.GTID
	last  int64
}

func (r *gtidRange) addTo(set *replication.GTIDSet) error {
	return set.AddInterval(r.first.UUID, r.first.Tag, r.first.Number, r.last)
}

func (b *batch) reset(base int64) {
	*b = batch{base: base, data: b.data[:0], points: b.points[:0], gtids: b.gtids[:0]}
}

func (b *batch) next() int64 { return b.base + int64(len(b.data)) }

func (b *batch) room() int { return cap(b.data) - len(b.data) }

// note records the outcome of an event that ends in the batch.
func (b *batch) note(out *outcome) {
	if out.gtid.Number != 0 {
		b.addGTID(out.gtid)
	}
	if out.previous != nil {
		b.previous = out.previous
	}
	if out.point != nil {
		p := *out.point
		p.gtids = len(b.gtids)
		b.points = append(b.points, p)
	}
}

// addGTID adds one to the last range, where it continues that and no point lies
// between.
func (b *batch) addGTID(g replication.GTID) {
	counted := 0
	if n := len(b.points); n > 0 {
		counted = b.points[n-1].gtids
	}
	if n := len(b.gtids); n > counted {
		r := &b.gtids[n-1]
		if g.Number == r.last+1 && g.UUID == r.first.UUID && g.Tag == r.first.Tag {
			r.last++
			return
		}
	}
	b.gtids = append(b.gtids, gtidRange{g, g.Number})
}
