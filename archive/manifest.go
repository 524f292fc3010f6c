package archive

import (
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

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
	Anonymous     bool              // some of its transactions have no GTID
	Local         bool              // it is on this disk
	Stored        bool              // it is in the bucket, verified
	Manifest      *catalog.Manifest // all that the catalog says of it; nil unless sealed. Not to be changed

	stored storedFile
	head   *head  // of the open file, while its beginning is not on this disk; else nil
	pieces []part // of a file that is only in pieces, in the bucket; else nil
}

// storedFile is what is known of a sealed file's objects in the bucket, if it is there.
type storedFile struct {
	etag      string // of the file
	size      int64
	crc       catalog.CRC32C
	indexSize int64
	indexCRC  catalog.CRC32C
}

// describe gives the manifest of a complete file, but for its SHA-256 and index.
func (of *openFile) describe(epoch uint64, cut *Cut) catalog.Manifest {
	m := catalog.Manifest{
		Seq: of.seq, Epoch: epoch, Name: of.name, Size: of.end.offset, CRC32C: catalog.CRC32C(of.sum.file()),
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

// fileOf gives what readers are told of a file.
func fileOf(m *catalog.Manifest) (File, error) {
	f := File{
		Seq: m.Seq, Name: m.Name, Size: m.Size, Sealed: true, Cut: m.Cut, ServerVersion: m.ServerVersion,
		FirstTime: commitTime(m.FirstCommit), LastTime: commitTime(m.LastCommit),
		stored: storedFile{size: m.Size, crc: m.CRC32C, indexSize: m.IndexSize, indexCRC: m.IndexCRC32C},
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
