package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/replication"
)

type runCommand struct {
	runFlags
}

// Run is the daemon: it returns nil when ctx ends, and else why it could not go on.
func (r *runCommand) Run(ctx context.Context, s streams) error {
	c, sources, err := r.load()
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	logger, level := newLogger(s, c.Log)
	under := new(underWay)
	return withinEndTime(ctx, endTime, under, func(ctx context.Context, end func(error)) error {
		d, err := openDaemon(c, sources, logger, under)
		if err != nil {
			return err
		}
		d.load, d.level = r.load, level
		return d.run(ctx, hangup, end)
	})
}

// newLogger returns a logger, and its level, which may change.
func newLogger(s streams, c config.Log) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	_ = level.UnmarshalText([]byte(c.Level)) // Validate allows known words only
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.err, options)), level
	}
	return slog.New(slog.NewTextHandler(s.err, options)), level
}

// daemon is a running binlogproxy. It owns the sources; what becomes of one of them
// ends it only as endsBy says.
type daemon struct {
	logger  *slog.Logger
	started time.Time
	uuid    replication.UUID
	metrics *metrics
	storage *storage // nil without a bucket
	admin   *admin   // nil when HTTP is off
	under   *underWay
	ended   chan error // the first thing that ends the daemon
	load    func() (*config.Config, []settings, error)
	level   *slog.LevelVar // of logger
	lives   sync.WaitGroup // of the sources, those that were removed included

	mu        sync.Mutex // guards what follows
	config    *config.Config
	sources   []*source // as in the configuration
	begun     bool      // a source was received from, or the configuration reloaded
	reloading reloading
	closing   []error // what sources said when they ended
}

// openDaemon makes a daemon whose sources are not open yet.
func openDaemon(c *config.Config, sources []settings, logger *slog.Logger, under *underWay) (*daemon, error) {
	defer under.begin("the data directory " + c.DataDir)()
	if err := archive.MakeDir(archive.OS, c.DataDir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	uuid, err := ourUUID(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &daemon{
		config: c, logger: logger, started: time.Now(), uuid: uuid, metrics: newMetrics(), under: under, ended: make(chan error, 1),
	}
	if d.storage, err = openStorage(c.Bucket, c.DataDir, uuid.String(), logger); err != nil {
		return nil, err
	}
	d.reloading.succeeded = d.started
	for _, s := range sources {
		d.sources = append(d.sources, newSource(d, s))
	}
	d.metrics.watch(d)
	if c.HTTP.Listen != config.Off {
		if d.admin, err = newAdmin(c.HTTP.Listen, d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// run follows and serves until ctx ends or something ends the daemon, which it says
// by end, and reloads the configuration at each hangup. Then the sources end, each by
// itself, and HTTP last of all.
func (d *daemon) run(ctx context.Context, hangup <-chan os.Signal, end func(error)) error {
	living, stop := context.WithCancel(ctx)
	defer stop()
	for _, s := range d.all() {
		d.start(living, s)
	}
	var watchers sync.WaitGroup
	if d.admin != nil {
		d.logger.Info("status and metrics", "listen", d.admin.address())
		watchers.Go(func() {
			if err := d.admin.serve(); err != nil {
				d.endWith(err)
			}
		})
	}
	err := d.wait(living, hangup)
	if err != nil {
		d.logger.Info("ending, because something has failed") // main says what
		end(err)
	} else {
		d.logger.Info("ending")
	}
	stop()
	d.lives.Wait()
	err = errors.Join(append([]error{err}, d.closing...)...)
	err = errors.Join(err, d.storage.close())
	if d.admin != nil {
		err = errors.Join(err, d.admin.close())
	}
	watchers.Wait()
	return err
}

// wait reloads until ctx ends, or something ends the daemon.
func (d *daemon) wait(ctx context.Context, hangup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.ended:
			return err
		case <-hangup:
			d.reload(ctx)
		}
	}
}

// start begins the life of a source.
func (d *daemon) start(ctx context.Context, s *source) {
	ctx, s.remove = context.WithCancel(ctx)
	d.lives.Go(func() {
		defer s.remove()
		if err := s.run(ctx); err != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.closing = append(d.closing, fmt.Errorf("source %s: %w", s.name, err))
		}
	})
}

// all are the sources, in the configuration's order.
func (d *daemon) all() []*source {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.sources)
}

// hasBegun notes that a source was received from.
func (d *daemon) hasBegun() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
}

// endsBy ends the daemon if the failure of one source is to: at the start, when none
// of the others can begin either, or when the configuration says so and the failure
// does not pass.
func (d *daemon) endsBy(failed *source, err error, passing bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.config.ExitOnStop && !passing {
		d.endWith(fmt.Errorf("source %s: %w", failed.name, err))
		return true
	}
	if d.begun {
		return false
	}
	var troubles []error
	for _, s := range d.sources {
		_, trouble := s.trouble()
		if trouble == nil {
			return false
		}
		troubles = append(troubles, fmt.Errorf("source %s: %w", s.name, trouble))
	}
	d.endWith(&codedError{exitCode(troubles[0]), errors.Join(troubles...)})
	return true
}

// endWith ends the daemon, with the first error it was told.
func (d *daemon) endWith(err error) {
	select {
	case d.ended <- err:
	default:
	}
}
