package store

import "time"

// Limits of S3, which every store here keeps.
const (
	MinPart  = 5 << 20 // of every part but the last
	MaxPart  = 5 << 30
	MaxParts = 10000
)

// UploadOptions are those of CreateUpload.
type UploadOptions struct {
	Meta map[string]string // see CheckMeta; of the object

	// Sum lets the store keep the CRC32C of each part and of the whole object, and
	// compare the latter when the upload is completed. Some stores cannot copy parts
	// into such an upload; see Capabilities.
	Sum bool
}

// Upload is an object that is being made from parts.
type Upload struct {
	Key     string
	ID      string
	Sum     bool      // as created; not known of a listed one
	Nonce   string    // set by StartUpload
	Started time.Time // by the store's clock
}

// Part is what the store said of an uploaded part. CompleteUpload wants it back.
type Part struct {
	Number int
	ETag   string
	Size   int64
	CRC32C uint32
}

// CompleteOptions are those of CompleteUpload.
type CompleteOptions struct {
	Size   int64  // of the whole object; must be the sum of the parts'
	CRC32C uint32 // of the whole object
	If     Condition
}
