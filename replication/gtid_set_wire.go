package replication

import (
	"encoding/binary"
	"fmt"
)

// The binary form of a set (sql/rpl_gtid_set.cc, Gtid_set::encode,
// add_gtid_encoding and encode_nsids_format), all integers little-endian:
//
//	untagged: streams u64 (top byte 0)
//	          per stream: uuid 16 bytes, intervals u64, per interval start u64, end u64
//	tagged:   01, streams u48, 01
//	          per stream: uuid 16 bytes, size of the tag times 2 u8, tag, intervals u64, …
//
// start is the first number and end the one behind the last. The byte before a tag
// is a variable-length integer of libs/mysql/serialization, which takes one byte
// for every size that a tag can have.
const (
	wireTagged       = 1
	wireHeaderSize   = 8
	wireIntervalSize = 16
	wireStreamSize   = 16 + 8 // without tag and intervals
)

// AppendWire appends the form in which a set stands in COM_BINLOG_DUMP_GTID and in
// the body of PREVIOUS_GTIDS: the tagged one if the set has tags, which servers
// before 8.3 refuse, else the untagged one.
func (s *GTIDSet) AppendWire(dst []byte) []byte {
	all, tagged := s.all(), s.HasTags()
	header := uint64(len(all))
	if tagged {
		header = wireTagged<<56 | header<<8 | wireTagged
	}
	dst = binary.LittleEndian.AppendUint64(dst, header)
	for _, stream := range all {
		dst = append(dst, stream.id.uuid[:]...)
		if tagged {
			dst = append(dst, byte(len(stream.id.tag)<<1))
			dst = append(dst, stream.id.tag...)
		}
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(stream.intervals)))
		for _, iv := range stream.intervals {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(iv.start))
			dst = binary.LittleEndian.AppendUint64(dst, uint64(iv.end))
		}
	}
	return dst
}

// DecodeGTIDSet reads either binary form, all of b. As in mysqld, the intervals of
// a stream must be sorted and leave gaps; streams may come in any order and again
// (go-mysql sends them unsorted), and tags in either case. It allocates no more than a small multiple
// of len(b), and keeps nothing of b. A failure is a *GTIDSyntaxError, which a
// server answers with error 1773.
func DecodeGTIDSet(b []byte) (*GTIDSet, error) {
	r := gtidWireReader{b: b}
	streams, tagged := r.header()
	var builder gtidSetBuilder
	for ; streams > 0 && r.err == nil; streams-- {
		id := gtidStreamID{uuid: r.uuid()}
		if tagged {
			id.tag = r.tag()
		}
		r.intervals(&builder, id)
	}
	if r.err == nil && r.pos < len(b) {
		r.fail("%d bytes are left over", len(b)-r.pos)
	}
	if r.err != nil {
		return nil, r.err
	}
	return builder.set(), nil
}

// gtidWireReader reads the parts of the binary form. After the first failure, which
// err keeps, everything reads as zero.
type gtidWireReader struct {
	b   []byte
	pos int
	err error
}

func (r *gtidWireReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &GTIDSyntaxError{What: "GTID set encoding", Offset: r.pos, Reason: fmt.Sprintf(format, args...)}
	}
}

// bytes gives the next n bytes, or nil if there are not as many.
func (r *gtidWireReader) bytes(n int, what string) []byte {
	if r.err == nil && len(r.b)-r.pos < n {
		r.fail("%d bytes of %d for the %s", len(r.b)-r.pos, n, what)
	}
	if r.err != nil {
		return nil
	}
	part := r.b[r.pos : r.pos+n]
	r.pos += n
	return part
}

func (r *gtidWireReader) uint64(what string) uint64 {
	if part := r.bytes(8, what); part != nil {
		return binary.LittleEndian.Uint64(part)
	}
	return 0
}

// checkCount refuses a number of things of at least size bytes each that the
// remaining bytes cannot hold.
func (r *gtidWireReader) checkCount(n uint64, size int, what string) uint64 {
	if left := uint64(len(r.b) - r.pos); r.err == nil && n > left/uint64(size) {
		r.fail("%d %s in %d bytes", n, what, left)
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (r *gtidWireReader) header() (streams uint64, tagged bool) {
	header := r.uint64("header")
	switch format := byte(header >> 56); {
	case format == 0:
		streams = header
	case format == wireTagged: // mysqld does not look at the lowest byte
		streams, tagged = header<<8>>16, true
	default:
		r.fail("unknown format %d", format)
	}
	return r.checkCount(streams, wireStreamSize, "streams"), tagged
}

func (r *gtidWireReader) uuid() (u UUID) {
	copy(u[:], r.bytes(len(u), "uuid"))
	return u
}

func (r *gtidWireReader) tag() Tag {
	size := r.bytes(1, "size of a tag")
	if size == nil {
		return ""
	}
	if size[0]&1 != 0 || size[0] > maxTagSize<<1 {
		r.fail("a tag is longer than %d bytes", maxTagSize)
		return ""
	}
	text := string(r.bytes(int(size[0]>>1), "tag"))
	tag, err := ParseTag(text)
	if err != nil {
		r.fail("%q cannot be a tag", text)
	}
	return tag
}

func (r *gtidWireReader) intervals(b *gtidSetBuilder, id gtidStreamID) {
	n := r.checkCount(r.uint64("number of intervals"), wireIntervalSize, "intervals")
	previous := int64(0)
	for ; n > 0; n-- {
		start, end := int64(r.uint64("start")), int64(r.uint64("end"))
		if start <= previous || end <= start {
			r.fail("an interval from %d to before %d follows one that ends before %d", start, end, previous)
			return
		}
		b.add(id, interval{start, end})
		previous = end
	}
}
