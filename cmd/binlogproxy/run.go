package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
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
	under := new(underWay)
	return withinEndTime(ctx, endTime, under, func(ctx context.Context, end func(error)) error {
		d, err := openDaemon(ctx, c, logger, under)
		if err != nil {
			return err
		}
		return d.run(ctx, end)
	})
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
	under   *underWay
}

func openDaemon(ctx context.Context, c *config.Config, logger *slog.Logger, under *underWay) (_ *daemon, err error) {
	opened := under.begin("the data directory " + c.DataDir)
	defer func() { opened() }()
	if err := archive.MakeDir(archive.OS, c.DataDir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	uuid, err := ourUUID(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &daemon{config: c, logger: logger, started: time.Now(), metrics: newMetrics(), under: under}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.closeSources(time.Now().Add(drainTime)))
		}
	}()
	for _, sc := range c.Sources {
		opened()
		opened = under.begin("opening source " + sc.Name)
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

// run follows and serves until ctx ends or something ends the daemon, which it says
// by end, and then shuts everything down in order: receivers, servers, logs, HTTP.
func (d *daemon) run(ctx context.Context, end func(error)) error {
	receiving, stopReceiving := context.WithCancel(ctx)
	defer stopReceiving()
	ended := make(chan error, 2*len(d.sources)+1)
	var receivers, listeners sync.WaitGroup
	for _, s := range d.sources {
		receivers.Go(func() {
			defer d.under.begin("receiving from source " + s.config.Name)()
			d.follow(receiving, s, ended)
		})
		receivers.Go(func() { // so that a receiver that waits for a disk that hangs can end
			<-receiving.Done()
			s.log.Stop()
		})
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
		end(err)
	}
	drained := time.Now().Add(drainTime)
	stopReceiving()
	receivers.Wait()
	err = errors.Join(err, d.closeSources(drained))
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

// closeSources lets downstreams read what is left for them until drained.
func (d *daemon) closeSources(drained time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), drained)
	defer cancel()
	errs := make([]error, len(d.sources))
	var wait sync.WaitGroup
	for i, s := range d.sources {
		wait.Go(func() {
			defer d.under.begin("closing source " + s.config.Name)()
			errs[i] = s.close(ctx)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
