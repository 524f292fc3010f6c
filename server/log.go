package server

import (
	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Log is what is served: the part of *archive.Log that statements and dumps need.
type Log interface {
	State() archive.State
	Changed() <-chan struct{}
	Files() []archive.File
	Executed() *replication.GTIDSet
	Missing() *replication.GTIDSet
	Purged() *replication.GTIDSet
	OpenAt(pos replication.Position) (*archive.Reader, error)
	FileForGTIDs(set *replication.GTIDSet) (archive.File, error)
}

// servedChecksum is the algorithm of the files being served, which is what
// clients must learn as @@binlog_checksum: they read the first packets by it.
func servedChecksum(log Log) replication.Checksum {
	files := log.Files()
	if len(files) == 0 {
		return replication.ChecksumCRC32
	}
	return files[len(files)-1].Checksum
}
