package archive

import (
	"slices"

	"github.com/binlogproxy/binlogproxy/replication"
)

// SkipContained moves the reader forward over transactions that are all in set, as
// far as the index proves it without reading them. It reports whether the reader has
// moved: then what comes up to the next transaction's first event belongs to one that
// is in set. Nothing but transactions and what stands between them is skipped: not
// the end of a file, and nothing where one of the file's transactions has no GTID,
// since that is in no set.
func (r *Reader) SkipContained(set *replication.GTIDSet) bool {
	v := r.archive.view.Load()
	i, found := slices.BinarySearchFunc(v.files, r.file.Seq, fileOrder)
	if !found || v.files[i].Anonymous || r.chunks.left > 0 || v.end(i)-r.chunks.offset < r.archive.opts.IndexEvery {
		return false
	}
	to := r.contained(set, v.end(i))
	if to <= r.chunks.offset {
		return false
	}
	r.chunks.offset = to
	r.blocks = blocks{next: r.blocks.next[:0]}
	return true
}

// contained gives the start of the last block before limit in which a transaction
// ends and up to which, from the reader on, all transactions are in set; 0 if there
// is none. The first transaction that ends in a block is the one that is open where
// the block starts.
func (r *Reader) contained(set *replication.GTIDSet, limit int64) (to int64) {
	f, err := r.archive.openIndex(r.file)
	if err != nil {
		return 0
	}
	defer f.Close()
	buf := r.archive.buffers.Get().(*[]byte)
	defer r.archive.buffers.Put(buf)
	start := int64(0) // of the block
	in := textChecker{set: set}
	for at := int64(indexHeaderSize); ; {
		n, _ := f.ReadAt(*buf, at)
		used := 0
		for {
			end, _, size := indexBlock((*buf)[used:n])
			if size == 0 {
				break
			}
			record := (*buf)[used : used+size]
			used += size
			if end > r.chunks.offset {
				gtids := record[4+indexEntryFixed : len(record)-4]
				if end > limit || !in.contains(gtids) {
					return to
				}
				if len(gtids) > 0 {
					to = start
				}
			}
			start = end
		}
		if used == 0 {
			return to
		}
		at += int64(used)
	}
}

// textChecker tells whether GTIDs, printed as in the index, are in a set. What a
// block nearly always has, one run of one server's numbers, takes no memory.
type textChecker struct {
	set  *replication.GTIDSet
	text [uuidText]byte // of uuid
	uuid replication.UUID
}

const uuidText = 36

func (c *textChecker) contains(text []byte) bool {
	if first, last, ok := oneRun(text); ok {
		if string(text[:uuidText]) != string(c.text[:]) {
			uuid, err := replication.ParseUUID(string(text[:uuidText]))
			if err != nil {
				return false
			}
			c.uuid = uuid
			copy(c.text[:], text)
		}
		return c.set.ContainsInterval(c.uuid, "", first, last)
	}
	gtids, err := replication.ParseGTIDSet(string(text))
	return err == nil && c.set.ContainsSet(gtids)
}

// oneRun reads "uuid:first" or "uuid:first-last".
func oneRun(text []byte) (first, last int64, ok bool) {
	if len(text) <= uuidText+1 || text[uuidText] != ':' {
		return 0, 0, false
	}
	first, rest := decimal(text[uuidText+1:])
	last = first
	if len(rest) > 0 && rest[0] == '-' {
		last, rest = decimal(rest[1:])
	}
	return first, last, len(rest) == 0 && first >= 1 && last >= first
}

// decimal reads the digits at the start of b, at most 18 of them.
func decimal(b []byte) (n int64, rest []byte) {
	i := 0
	for ; i < min(len(b), 18) && b[i] >= '0' && b[i] <= '9'; i++ {
		n = n*10 + int64(b[i]-'0')
	}
	return n, b[i:]
}
