package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/remote"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/open"
	"github.com/binlogproxy/binlogproxy/internal/config"
)

// archiveFlags say which archive.
type archiveFlags struct {
	Config     string `help:"YAML file of the daemon." type:"path" placeholder:"FILE" env:"BINLOGPROXY_CONFIG"`
	Source     string `help:"Name of the source; may be left out where there is one." placeholder:"NAME"`
	Dir        string `help:"Directory of a source, instead of a configuration: DATA-DIR/NAME." type:"path" placeholder:"DIR"`
	Bucket     string `help:"URL of the bucket, instead of a configuration's. Alone, with --source, it is all that is looked at." placeholder:"URL"`
	FromBucket bool   `help:"Look at what the bucket holds, and at nothing on the disk."`
}

// archivePlace is where an archive is: in a directory, in a bucket, or in both.
type archivePlace struct {
	dir    string // "" = nothing on the disk is looked at
	url    string // of the bucket; "" = none
	source string // its part of the bucket
}

func (p archivePlace) String() string {
	if p.dir == "" {
		return fmt.Sprintf("source %q of %s", p.source, p.url)
	}
	return p.dir
}

// place finds out what the flags mean. A data directory that is not there leaves the
// bucket.
func (f *archiveFlags) place(s streams) (p archivePlace, err error) {
	switch {
	case f.Dir != "":
		p = archivePlace{f.Dir, f.Bucket, cmp.Or(f.Source, filepath.Base(f.Dir))}
	case f.Config != "":
		if p, err = f.configured(); err != nil {
			return p, &usageError{err}
		}
		if _, err := os.Stat(p.dir); errors.Is(err, fs.ErrNotExist) && p.url != "" && !f.FromBucket {
			fmt.Fprintf(s.err, "binlogproxy: %s does not exist: this is what the bucket holds\n", p.dir)
			p.dir = ""
		}
	case f.Bucket != "":
		p = archivePlace{"", f.Bucket, f.Source}
	default:
		return p, &usageError{errors.New("give --config FILE, --dir DIR of a source, or --bucket URL with --source NAME")}
	}
	if f.FromBucket {
		p.dir = ""
	}
	switch {
	case p.dir == "" && p.url == "":
		return p, &usageError{errors.New("no bucket is configured: give --bucket URL")}
	case p.dir == "" && p.source == "":
		return p, &usageError{errors.New("give --source NAME: a bucket may have several")}
	}
	return p, nil
}

// configured is the place of the source that the flags name in a configuration.
func (f *archiveFlags) configured() (archivePlace, error) {
	c, err := config.Load(f.Config)
	if err != nil {
		return archivePlace{}, err
	}
	c.FillDefaults()
	name := f.Source
	if name == "" && len(c.Sources) == 1 {
		name = c.Sources[0].Name
	}
	names := make([]string, len(c.Sources))
	for i, source := range c.Sources {
		names[i] = source.Name
	}
	if !slices.Contains(names, name) {
		return archivePlace{}, fmt.Errorf("--source %q: %s has %q", f.Source, f.Config, names)
	}
	return archivePlace{filepath.Join(c.DataDir, name), cmp.Or(f.Bucket, c.Bucket.URL), name}, nil
}

// openedArchive is an archive with what it reads the bucket by.
type openedArchive struct {
	*archive.Archive
	bucket *bucketReader
}

func (a *openedArchive) Close() error { return a.bucket.Close() }

// open opens the archive that the flags name, and says what damage keeps the rest of it
// from being shown. The caller closes it.
func (f *archiveFlags) open(ctx context.Context, s streams) (*openedArchive, error) {
	p, err := f.place(s)
	if err != nil {
		return nil, err
	}
	r, err := openBucketReader(p.url)
	if err != nil {
		return nil, err
	}
	opts := archive.Options{Dir: p.dir}
	r.options(&opts, p.source)
	opened := archive.OpenReadOnly
	if p.dir == "" {
		opened = archive.OpenBucket
	}
	a, err := opened(ctx, opts)
	if err == nil && p.dir == "" && a.State().Timeline == "" {
		err = &usageError{fmt.Errorf("the bucket has nothing of %s", p)}
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if stopped := a.State().Stopped; stopped != nil {
		fmt.Fprintln(s.err, "binlogproxy: not all is shown:", stopped)
	}
	return &openedArchive{a, r}, nil
}

// bucketReader reads a bucket for one command. nil is one of no bucket.
type bucketReader struct {
	store store.Store
	cache *remote.Cache
	files *remote.Files
}

// openBucketReader does not reach the bucket yet; it gives nil for no URL. What is read is
// kept in memory only: the cache on the disk is the daemon's.
func openBucketReader(url string) (*bucketReader, error) {
	if url == "" {
		return nil, nil
	}
	s, err := open.URL(url, os.Getenv)
	if err != nil {
		return nil, &usageError{fmt.Errorf("the bucket's URL: %w", err)}
	}
	cache, err := remote.OpenCache("", 0, remote.CacheOptions{})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &bucketReader{s, cache, remote.New(s, cache, remote.Options{})}, nil
}

// options adds what an archive needs to read a source's part of the bucket.
func (r *bucketReader) options(o *archive.Options, source string) {
	if r != nil {
		o.Bucket, o.Remote = bucket.New(r.store, source, bucket.Options{}), r.files
	}
}

// Close ends what is being read.
func (r *bucketReader) Close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.files.Close(), r.cache.Close(), r.store.Close())
}
