package catalog

// Manifest is what the catalog says of a complete file.
type Manifest struct {
	Seq           uint64  `json:"seq"`
	Epoch         uint64  `json:"epoch"`
	Name          string  `json:"name"`
	Size          int64   `json:"size"`
	CRC32C        CRC32C  `json:"crc32c"`
	SHA256        string  `json:"sha256"`
	GTIDsBefore   *string `json:"gtids_before"` // null where the file has no PREVIOUS_GTIDS
	GTIDsAdded    string  `json:"gtids_added"`
	FirstCommit   int64   `json:"first_commit_us"` // smallest commit time, microseconds since 1970; 0 for none
	LastCommit    int64   `json:"last_commit_us"`  // largest
	Transactions  int64   `json:"transactions"`
	ServerVersion string  `json:"server_version"`
	Checksum      string  `json:"checksum"`
	IndexSize     int64   `json:"index_size"`
	IndexCRC32C   CRC32C  `json:"index_crc32c"`
	Cut           *Cut    `json:"cut,omitempty"`
	ETag          string  `json:"etag,omitempty"` // of the file's object in a bucket, for reads with If-Match; "" in a local log
}

// Cut says where and why a file ends before its end.
type Cut struct {
	Offset int64  `json:"offset"` // where readers stop: the last transaction boundary
	Reason string `json:"reason"`
}
