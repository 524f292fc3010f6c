package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

const (
	defaultRegion  = "us-east-1"
	amazonEndpoint = "https://s3.amazonaws.com"
)

// minio-go pauses behind the last attempt too, and here each is the last.
func init() { minio.DefaultRetryUnit = 0 }

// Store is a bucket.
type Store struct {
	bucket      Bucket
	core        *minio.Core
	credentials *credentials.Credentials
	provider    credentials.Provider
	sse         encrypt.ServerSide // nil = as the bucket has it
	transport   *http.Transport
}

var _ store.Store = (*Store)(nil)

// Options are what tests replace. The zero value is for the real world.
type Options struct {
	Credentials credentials.Provider // nil = Chain()
	Stall       time.Duration        // a connection on which nothing moves for so long has failed; 0 = 1 min
}

// Open prepares access to a bucket. It asks nobody: whether the bucket exists and
// may be used is found by the first call, or by store.Probe.
func Open(b Bucket, opts Options) (*Store, error) {
	if opts.Credentials == nil {
		opts.Credentials = Chain()
	}
	if opts.Stall == 0 {
		opts.Stall = time.Minute
	}
	s := &Store{bucket: b, provider: opts.Credentials, credentials: credentials.New(opts.Credentials)}
	endpoint := b.Endpoint
	if endpoint == "" {
		endpoint = amazonEndpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint of the bucket %s: %w", b.Name, err)
	}
	if s.transport, err = newTransport(b.CA, opts.Stall); err != nil {
		return nil, err
	}
	region := b.Region
	if region == "" {
		region = defaultRegion
	}
	s.core, err = minio.NewCore(u.Host, &minio.Options{
		Creds: s.credentials, Secure: u.Scheme == "https", Transport: s.transport, Region: region,
		BucketLookup: b.lookup(), MaxRetries: 1, // its retries make a 412 of our own success
	})
	if err != nil {
		return nil, fmt.Errorf("bucket %s at %s: %w", b.Name, endpoint, err)
	}
	return s, s.setSSE()
}

func (b Bucket) lookup() minio.BucketLookupType {
	switch {
	case b.PathStyle == nil && b.Endpoint == "":
		return minio.BucketLookupAuto
	case b.PathStyle == nil || *b.PathStyle:
		return minio.BucketLookupPath
	}
	return minio.BucketLookupDNS
}

func (s *Store) setSSE() (err error) {
	switch s.bucket.SSE {
	case "AES256":
		s.sse = encrypt.NewSSE()
	case "aws:kms":
		s.sse, err = encrypt.NewSSEKMS(s.bucket.SSEKMSKey, nil)
	}
	return err
}

// Close closes idle connections.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// String is the bucket's URL.
func (s *Store) String() string { return s.bucket.String() }

// CredentialSource says where the credentials were found that were used last, as
// "environment" or "instance metadata"; "" = none were needed yet.
func (s *Store) CredentialSource() string {
	if c, ok := s.provider.(*chain); ok {
		return c.source()
	}
	return ""
}

// key is the name in the bucket of a key of the store.
func (s *Store) key(key string) string {
	if s.bucket.Prefix == "" {
		return key
	}
	return s.bucket.Prefix + "/" + key
}

// trim is the opposite of key.
func (s *Store) trim(name string) string {
	if s.bucket.Prefix == "" {
		return name
	}
	return strings.TrimPrefix(name, s.bucket.Prefix+"/")
}

// check is what methods that name an object do first.
func (s *Store) check(op, key string, meta map[string]string) error {
	if err := errors.Join(store.CheckKey(key), store.CheckMeta(meta)); err != nil {
		return &store.Error{Op: op, Key: key, Cause: err}
	}
	return nil
}
