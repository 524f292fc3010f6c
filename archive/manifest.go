package archive

import (
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// manifest is what the catalog says of a complete file.
type manifest struct {
	Seq           uint64  `json:"seq"`
	Epoch         uint64  `json:"epoch"`
	Name          string  `json:"name"`
	Size          int64   `json:"size"`
	CRC32C        crcHex  `json:"crc32c"`
	SHA256        string  `json:"sha256"`
	GTIDsBefore   *string `json:"gtids_before"` // null where the file has no PREVIOUS_GTIDS
	GTIDsAdded    string  `json:"gtids_added"`
	FirstCommit   int64   `json:"first_commit_us"` // smallest commit time, microseconds since 1970; 0 for none
	LastCommit    int64   `json:"last_commit_us"`  // largest
	Transactions  int64   `json:"transactions"`
	ServerVersion string  `json:"server_version"`
	Checksum      string  `json:"checksum"`
	IndexSize     int64   `json:"index_size"`
	IndexCRC32C   crcHex  `json:"index_crc32c"`
	Cut           *Cut    `json:"cut,omitempty"`
}

// Cut says where and why a file ends before its end.
type Cut struct {
	Offset int64  `json:"offset"` // where readers stop: the last transaction boundary
	Reason string `json:"reason"`
}

// File describes one file that can be read.
type File struct {
	Seq           uint64 // order of files; names say nothing of it
	Name          string
	Size          int64 // how far it can be read: of the open file, the published end
	Sealed        bool
	Cut           *Cut                 // nil unless cut
	GTIDsBefore   *replication.GTIDSet // its PREVIOUS_GTIDS; nil while that is not published, or where there is none. Not to be changed
	FirstTime     time.Time            // smallest and largest commit time; zero for none, and of the open file
	LastTime      time.Time
	ServerVersion string
	Checksum      replication.Checksum
	Anonymous     bool // some of its transactions have no GTID
}

// describe gives the manifest of a complete file, but for its SHA-256 and index.
func (of *openFile) describe(epoch uint64, cut *Cut) manifest {
	m := manifest{
		Seq: of.seq, Epoch: epoch, Name: of.name, Size: of.end.offset, CRC32C: crcHex(of.sum.file()),
		GTIDsAdded: of.added.String(), FirstCommit: of.end.times.first, LastCommit: of.end.times.last,
		Transactions: of.end.transactions, ServerVersion: of.end.format.ServerVersion,
		Checksum: of.end.format.Checksum.String(), Cut: cut,
	}
	if of.end.previous != nil {
		text := of.end.previous.String()
		m.GTIDsBefore = &text
	}
	return m
}

// info gives what readers are told of the file.
func (m *manifest) info() (File, error) {
	f := File{
		Seq: m.Seq, Name: m.Name, Size: m.Size, Sealed: true, Cut: m.Cut, ServerVersion: m.ServerVersion,
		FirstTime: commitTime(m.FirstCommit), LastTime: commitTime(m.LastCommit),
	}
	if m.Cut != nil {
		f.Size = m.Cut.Offset
	}
	if m.Checksum == replication.ChecksumCRC32.String() {
		f.Checksum = replication.ChecksumCRC32
	}
	added, err := replication.ParseGTIDSet(m.GTIDsAdded)
	f.Anonymous = m.Transactions > int64(added.Count())
	if m.GTIDsBefore == nil || err != nil {
		return f, err
	}
	f.GTIDsBefore, err = replication.ParseGTIDSet(*m.GTIDsBefore)
	return f, err
}

func commitTime(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
