package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/server"
)

type runCommand struct {
	runFlags
}

// Run is the daemon: it returns nil when ctx ends, and else why it could not go on.
func (r *runCommand) Run(ctx context.Context, s streams) error {
	c, err := r.configuration()
	if err != nil {
		return err
	}
	logger := newLogger(s, c.Log)
	d, err := openDaemon(ctx, c, logger)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

func newLogger(s streams, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // Validate allows known words only
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.err, options))
	}
	return slog.New(slog.NewTextHandler(s.err, options))
}

// daemon is a running binlogproxy.
type daemon struct {
	config  *config.Config
	logger  *slog.Logger
	started time.Time
	sources []*source
	metrics *metrics
	admin   *admin // nil when HTTP is off
}

// drainTime is how long downstreams may take to read what is left for them when
// the daemon ends.
const drainTime = 8 * time.Second

func openDaemon(ctx context.Context, c *config.Config, logger *slog.Logger) (_ *daemon, err error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	uuid, err := ourUUID(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &daemon{config: c, logger: logger, started: time.Now(), metrics: newMetrics()}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.closeSources())
		}
	}()
	for _, sc := range c.Sources {
		s, err := openSource(ctx, sc, c.DataDir, uuid, logger, d.metrics.syncObserver(sc.Name))
		if err != nil {
			return nil, err
		}
		d.sources = append(d.sources, s)
	}
	d.metrics.watch(d)
	if c.HTTP.Listen != config.Off {
		if d.admin, err = newAdmin(c.HTTP.Listen, d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// run follows and serves until ctx ends or something ends the daemon, and then
// shuts everything down in order: receivers, servers, logs, HTTP.
func (d *daemon) run(ctx context.Context) error {
	receiving, stopReceiving := context.WithCancel(ctx)
	defer stopReceiving()
	ended := make(chan error, 2*len(d.sources)+1)
	var receivers, listeners sync.WaitGroup
	for _, s := range d.sources {
		receivers.Go(func() { d.follow(receiving, s, ended) })
		if s.server != nil {
			s.logger.Info("serving", "listen", s.listener.Addr().String())
			listeners.Go(func() {
				if err := s.server.Serve(s.listener); !errors.Is(err, server.ErrClosed) {
					ended <- fmt.Errorf("source %s: %w", s.config.Name, err)
				}
			})
		}
	}
	if d.admin != nil {
		d.logger.Info("status and metrics", "listen", d.admin.address())
		listeners.Go(func() {
			if err := d.admin.serve(); err != nil {
				ended <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
		d.logger.Info("ending")
	case err = <-ended:
		d.logger.Info("ending, because something has failed") // main says what
	}
	stopReceiving()
	receivers.Wait()
	err = errors.Join(err, d.closeSources())
	if d.admin != nil {
		err = errors.Join(err, d.admin.close())
	}
	listeners.Wait()
	return err
}

// follow receives from one source. One that stops before anything was received
// ends the daemon; one that stops later leaves it serving, unless told otherwise.
func (d *daemon) follow(ctx context.Context, s *source, ended chan<- error) {
	err := s.follow(ctx)
	if err == nil {
		return
	}
	if !s.ready.Load() || d.config.ExitOnStop {
		ended <- fmt.Errorf("source %s: %w", s.config.Name, err)
		return
	}
	s.logger.Error("the source has stopped for good; what is held is still served", "err", err, "code", exitCode(err))
}

func (d *daemon) closeSources() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	errs := make([]error, len(d.sources))
	var wait sync.WaitGroup
	for i, s := range d.sources {
		wait.Go(func() { errs[i] = s.close(ctx) })
	}
	wait.Wait()
	return errors.Join(errs...)
}
