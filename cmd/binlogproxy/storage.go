package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/remote"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/open"
	"github.com/binlogproxy/binlogproxy/internal/config"
)

// storage is the bucket of all sources. It is nil where none is configured.
type storage struct {
	config config.Bucket
	store  store.Store
	holder bucket.Holder // of all sources' leases
	cache  *remote.Cache // of what was read
	files  *remote.Files
	logger *slog.Logger

	probing sync.Mutex // held while the store is probed
	mu      sync.Mutex // guards what follows
	can     store.Capabilities
	probed  time.Time
}

// openStorage does not reach the bucket yet. An error is the operator's to mend.
func openStorage(c config.Bucket, dataDir, id string, logger *slog.Logger) (*storage, error) {
	if !c.Set() {
		return nil, nil
	}
	s, err := open.URL(c.URL, os.Getenv)
	if err != nil {
		return nil, &usageError{fmt.Errorf("bucket.url: %w", err)}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	logger = logger.With("component", "bucket")
	cache := openCache(filepath.Join(dataDir, cacheDir), int64(c.CacheSize), logger)
	return &storage{
		config: c, store: s, logger: logger, cache: cache, files: remote.New(s, cache, remote.Options{}),
		holder: bucket.Holder{ID: id, Name: fmt.Sprintf("process %d at %s, %s", os.Getpid(), host, dataDir)},
	}, nil
}

// cacheDir cannot be a source's name.
const cacheDir = ".cache"

// openCache caches in memory only where the disk refuses: reading is slower then, and not
// wrong.
func openCache(dir string, size int64, logger *slog.Logger) *remote.Cache {
	cache, err := remote.OpenCache(dir, size, remote.CacheOptions{})
	if err == nil {
		return cache
	}
	logger.Warn("what is read from the bucket is kept in memory only", "err", err)
	cache, _ = remote.OpenCache("", 0, remote.CacheOptions{}) // which opens nothing
	return cache
}

// close ends what reads, when no source is left.
func (s *storage) close() error {
	if s == nil {
		return nil
	}
	return errors.Join(s.files.Close(), s.cache.Close(), s.store.Close())
}

// probePrefix is where probes write and delete, beside what belongs to sources.
const probePrefix = "probe/"

// probeEvery is how long the outcome of a probe is believed.
const probeEvery = time.Hour

// capabilities proves that the store keeps what it must promise, now and then.
func (s *storage) capabilities(ctx context.Context) (store.Capabilities, error) {
	s.probing.Lock()
	defer s.probing.Unlock()
	can, probed := s.lastProbe()
	if !probed.IsZero() && time.Since(probed) < probeEvery {
		return can, nil
	}
	can, err := store.Probe(ctx, s.store, probePrefix)
	if err != nil {
		return can, err
	}
	s.mu.Lock()
	s.can, s.probed = can, time.Now()
	s.mu.Unlock()
	s.logger.Info("the bucket keeps what it must", "bucket", s.store.String(), "proved", can.String())
	return can, nil
}

// probeNowAndThen ends a turn when the store ignores conditions, which it had kept before.
// That it cannot be reached, or used, the turn finds out by itself.
func (s *storage) probeNowAndThen(ctx context.Context, end context.CancelCauseFunc) {
	for {
		waitFor(ctx, probeEvery)
		if ctx.Err() != nil {
			return
		}
		if _, err := s.capabilities(ctx); errors.Is(err, store.ErrIgnoresConditions) {
			end(err)
			return
		}
	}
}

// lastProbe is what the last probe has proved, and when.
func (s *storage) lastProbe() (store.Capabilities, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.can, s.probed
}

// open adds to the options of a source's log what a bucket demands.
func (s *storage) open(source string, o *archive.Options) {
	if s == nil {
		return
	}
	o.Bucket = bucket.New(s.store, source, bucket.Options{Logger: s.logger.With("source", source)})
	o.Remote = s.files
	o.Keep = archive.Retention{Size: int64(s.config.LocalSize), Age: s.config.LocalAge, Limit: int64(s.config.LocalLimit)}
}
