package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/httpfaults"
)

const (
	keyPrefix  = "torture" // of all objects
	faultShare = 0.3       // of the daemon's requests to the bucket
)

// storage is the daemon's bucket, which the daemon reaches through faults only.
type storage struct {
	server *testenv.S3
	faults *httpfaults.Proxy
	store  store.Store // the bucket without faults
}

func startStorage(ctx context.Context, seed uint64) (s *storage, err error) {
	s = &storage{}
	if s.server, err = testenv.StartS3(ctx, testenv.S3Options{}); err != nil {
		return nil, err
	}
	s.faults = httpfaults.New(s.server.Addr())
	s.faults.Rules(httpfaults.Random(rand.New(rand.NewPCG(seed, 1)), faultShare, notProbing)...)
	s.store, err = s.server.Open(keyPrefix)
	return s, err
}

// notProbing leaves the probe alone: it wants all of its requests to succeed in one go, and
// a daemon that is killed every few seconds would never get that far.
func notProbing(r *http.Request) bool { return !strings.Contains(r.URL.String(), "probe-") }

// config is the bucket's part of the daemon's configuration. So little is kept locally
// that most of history is in the bucket only, and so little in the cache that it is read
// from there again and again.
func (s *storage) config() string {
	return fmt.Sprintf(`bucket:
  url: %s
  piece-interval: 300ms
  lease: 2s
  local-size: 8MiB
  cache-size: 64MiB
`, s.server.URLAt(s.faults.Addr(), keyPrefix))
}

// close ends the server; its objects stay if keep.
func (s *storage) close(keep bool) error {
	var errs []error
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.faults != nil {
		s.faults.Close()
	}
	if keep {
		say("the bucket's objects are in %s", s.server.BucketDir())
		return errors.Join(append(errs, s.server.Kill())...)
	}
	return errors.Join(append(errs, s.server.Close())...)
}
