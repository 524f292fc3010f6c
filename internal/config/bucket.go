package config

import "time"

// Bucket is the lasting copy of every source, in object storage. Without a URL there is
// none: then the local log is the archive, and nothing of it is ever removed.
type Bucket struct {
	URL           string        `yaml:"url"`            // s3://bucket/prefix?… or file:///directory; see docs/bucket.md. Default: none
	PieceInterval time.Duration `yaml:"piece-interval"` // how long what was received may wait before it is in the bucket; default 5s
	Lease         time.Duration `yaml:"lease"`          // how long a writer that is gone keeps others out; default 30s
	LocalSize     Size          `yaml:"local-size"`     // of a source's local files; more is removed, the oldest first, once it is in the bucket; default 0: nothing is
	LocalAge      time.Duration `yaml:"local-age"`      // files whose last transaction is older are removed, once they are in the bucket; default 0: none
	LocalLimit    Size          `yaml:"local-limit"`    // of a source's local files; where nothing can be removed, receiving waits; default 0: as far as the disk goes
	CacheSize     Size          `yaml:"cache-size"`     // of what is kept of the bucket on the disk for those who read history; default 1GiB
}

// Defaults of a bucket.
const (
	DefaultPieceInterval = 5 * time.Second
	DefaultLease         = 30 * time.Second
	DefaultCacheSize     = 1 << 30
)

// Set reports whether there is a bucket.
func (b *Bucket) Set() bool { return b.URL != "" }

func (b *Bucket) fillDefaults() {
	setDefault(&b.PieceInterval, DefaultPieceInterval)
	setDefault(&b.Lease, DefaultLease)
	setDefault(&b.CacheSize, DefaultCacheSize)
}

func (b *Bucket) validate(errs *mistakes) {
	errs.atLeast("bucket.piece-interval", b.PieceInterval, 100*time.Millisecond)
	errs.atLeast("bucket.lease", b.Lease, time.Second)
	if !b.Set() && (b.LocalSize > 0 || b.LocalAge > 0) {
		errs.add("bucket: local-size and local-age remove local files, and need a url where these are kept")
	}
	if b.LocalAge < 0 {
		errs.add("bucket.local-age: %s is negative", b.LocalAge)
	}
	if b.LocalLimit > 0 && b.LocalSize > b.LocalLimit {
		errs.add("bucket: local-size is larger than local-limit")
	}
}
