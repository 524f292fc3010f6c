package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replica"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/server"
)

// source is one followed primary, and owns its life: run opens its log, and within
// that follows and serves, each a part that can fail and begin again by itself. No
// other source notices.
type source struct {
	name   string
	dir    string
	daemon *daemon
	logger *slog.Logger
	remove context.CancelFunc // ends the source; set by daemon.start

	archiving part // the log; the others live only while it is open
	following part
	serving   part
	storing   part // in the bucket, where there is one

	open        atomic.Pointer[openSource] // nil while the log is not open
	predecessor atomic.Pointer[string]     // server_uuid of the daemon whose place in the bucket was taken; nil = none

	mu       sync.Mutex // guards what follows
	settings settings
	refused  error // why the listener could not take over the settings of the last reload
}

// openSource is a source whose log is open.
type openSource struct {
	log      *archive.Log
	bucket   *bucket.Bucket // nil where none is configured
	upstream *upstream
	disk     *diskWatch
	receiver atomic.Pointer[receiver] // nil before the first turn of following
	listener atomic.Pointer[listener] // nil while nothing listens
	draining context.Context          // ends when downstreams have had their time
	listened chan struct{}            // closed when listening was tried
	admitted chan struct{}            // closed when the bucket does not forbid to receive
	admit    func()                   // closes admitted
	changed  chan struct{}            // tells the listener of a reload; holds one
}

// pauseMin is the first pause of a part that has failed.
const pauseMin = 500 * time.Millisecond

func newSource(d *daemon, s settings) *source {
	return &source{
		name: s.Name, dir: filepath.Join(d.config.DataDir, s.Name), daemon: d, logger: d.logger.With("source", s.Name),
		archiving: part{pauseMin: pauseMin}, following: part{pauseMin: pauseMin}, serving: part{pauseMin: pauseMin}, storing: part{pauseMin: pauseMin}, settings: s,
	}
}

// now are the settings that hold now.
func (s *source) now() settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

func (s *source) pauseMax() time.Duration { return s.now().ReconnectMax }

// run is the source's life until ctx ends. What it returns is what the log said when
// it was closed.
func (s *source) run(ctx context.Context) error {
	passes := s.passes("cannot be opened", exitFailure, exitFenced)
	count := s.daemon.metrics.bucketErrors(s.name)
	return s.archiving.run(ctx, s.pauseMax, s.archive, func(err error) bool {
		if errors.As(err, new(*store.Error)) { // an empty directory is made from the bucket
			count(err)
		}
		return passes(err)
	})
}

// passes judges the failures of a part: those of some exit codes pass without a
// person. Each is reported here, unless it ends the daemon, which reports it then.
func (s *source) passes(what string, codes ...int) func(error) bool {
	return func(err error) bool {
		passing := slices.Contains(codes, exitCode(err))
		switch {
		case s.daemon.endsBy(s, err, passing):
		case passing:
			s.logger.Warn("the source "+what+"; it is tried again", "err", err, "code", exitCode(err))
		default:
			s.logger.Error("the source "+what+", until a person acts and it is reloaded", "err", err, "code", exitCode(err))
		}
		return passing
	}
}

// archive is a turn of the log: it opens it, which may take a recovery, follows and
// serves until ctx ends, and closes it: the receiver first, then the server, so that
// downstreams get what was received.
func (s *source) archive(ctx context.Context) error {
	o, err := s.openLog(ctx)
	if err != nil {
		return err
	}
	s.archiving.well()
	s.following.well()
	s.serving.well()
	s.storing.well()
	draining, drained := context.WithCancel(context.WithoutCancel(ctx))
	serving, stopServing := context.WithCancel(draining)
	storing, stopStoring := context.WithCancel(draining)
	defer drained()
	defer stopServing()
	defer stopStoring()
	o.draining = draining
	s.open.Store(o)
	var follows, serves, stores, watches sync.WaitGroup
	watches.Go(func() { o.disk.run(ctx) })
	stores.Go(func() { s.keepStoring(storing, o) })
	serves.Go(func() { s.keepServing(serving, o) })
	follows.Go(func() { s.keepFollowing(ctx, o) })
	<-ctx.Done()
	defer s.daemon.under.begin("closing source " + s.name)()
	defer time.AfterFunc(drainTime, drained).Stop()
	o.log.Stop() // so that a receiver that waits for a disk that hangs can end
	follows.Wait()
	stopServing()
	stopStoring()
	stores.Wait()
	serves.Wait()
	watches.Wait()
	s.open.Store(nil)
	return o.log.Close()
}

func (s *source) openLog(ctx context.Context) (*openSource, error) {
	defer s.daemon.under.begin("opening source " + s.name)()
	options := archive.Options{Dir: s.dir, Logger: s.logger.With("component", "archive"), OnSync: s.daemon.metrics.syncObserver(s.name)}
	s.daemon.storage.open(s.name, &options)
	log, err := archive.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	upstream, err := openUpstream(s.dir, s.logger)
	if err != nil {
		_ = log.Close() // nothing was written
		return nil, err
	}
	o := &openSource{log: log, bucket: options.Bucket, upstream: upstream, disk: &diskWatch{dir: s.dir, logger: s.logger}, listened: make(chan struct{}), admitted: make(chan struct{}), changed: make(chan struct{}, 1)}
	o.admit = sync.OnceFunc(func() { close(o.admitted) })
	return o, nil
}

// keepFollowing receives from the source until ctx ends. It begins when listening
// was tried, since a start that fails for an address in use fails for that, and when the
// bucket has been asked.
func (s *source) keepFollowing(ctx context.Context, o *openSource) {
	for _, first := range []<-chan struct{}{o.listened, o.admitted} {
		select {
		case <-first:
		case <-ctx.Done():
			return
		}
	}
	_ = s.following.run(ctx, s.pauseMax, func(ctx context.Context) error { return s.follow(ctx, o) },
		s.passes("is not followed", exitUnreachable)) // nil when ctx has ended
}

// follow is one turn of following.
func (s *source) follow(ctx context.Context, o *openSource) error {
	r, err := s.newReceiver(o)
	if err != nil {
		return &usageError{err}
	}
	defer s.daemon.under.begin("receiving from source " + s.name)()
	o.receiver.Store(r)
	return r.run(ctx, o.log)
}

func (s *source) newReceiver(o *openSource) (*receiver, error) {
	c := s.now()
	options := dial.Options{Addr: c.Address, User: c.User, Password: c.password, ConnectTimeout: c.ConnectTimeout, TLS: c.TLS()}
	r := &receiver{}
	var err error
	predecessor := ""
	if p := s.predecessor.Load(); p != nil {
		predecessor = *p
	}
	r.Replica, err = replica.New(replica.Options{
		Source: options, ServerID: c.ServerID, ServerUUID: uuidOf(s.daemon.uuid, s.name).String(), Predecessor: predecessor, ReportHost: c.ReportHost,
		HeartbeatPeriod: c.Heartbeat, From: c.From, OnGap: replica.OnGap(c.OnGap), BackoffMax: c.ReconnectMax,
		Sink: o.log, Logger: s.logger.With("component", "replica"),
		OnReady: func() {
			r.ready.Store(true)
			s.following.well()
			s.daemon.hasBegun()
		},
		OnSource: func(ctx context.Context, info replica.SourceInfo) error {
			if err := bind(o.log, info); err != nil {
				return err
			}
			return o.upstream.learn(ctx, info, options)
		},
	})
	return r, err
}

// bind lets the log check that the source is the server whose history it holds.
func bind(log *archive.Log, info replica.SourceInfo) error {
	id := archive.Identity{Flavor: info.Flavor, ServerID: info.ServerID}
	if info.ServerUUID != "" {
		var err error
		if id.ServerUUID, err = replication.ParseUUID(info.ServerUUID); err != nil {
			return fmt.Errorf("the source's server_uuid: %w", err)
		}
	}
	return log.Bind(id)
}

// keepServing listens for downstreams until ctx ends.
func (s *source) keepServing(ctx context.Context, o *openSource) {
	tried := sync.OnceFunc(func() { close(o.listened) })
	passes := s.passes("is not served", exitFailure)
	_ = s.serving.run(ctx, s.pauseMax, func(ctx context.Context) error { return s.serve(ctx, o, tried) },
		func(err error) bool {
			defer tried()
			return passes(err)
		}) // nil when ctx has ended
}

// serve is one turn of serving.
func (s *source) serve(ctx context.Context, o *openSource, listening func()) error {
	c := s.now()
	if c.Listen == config.Off {
		s.serving.well()
		listening()
		<-ctx.Done()
		return nil
	}
	l, err := listen(c, accountsFile(s.dir), o.log, shownUpstream{o.upstream, c.AdvertiseVersion}, s.logger)
	if err != nil {
		return err
	}
	s.noteRefused(nil)
	s.serving.well()
	o.listener.Store(l)
	listening()
	s.serveUntil(ctx, o, l)
	drain, cancel := context.WithTimeout(o.draining, drainTime)
	defer cancel()
	l.close(drain)
	o.listener.Store(nil)
	return nil
}

// serveUntil takes reloads over into the listener until ctx ends.
func (s *source) serveUntil(ctx context.Context, o *openSource, l *listener) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.changed:
			err := s.takeOver(l)
			s.noteRefused(err)
			if err != nil {
				s.logger.Error("a reload was not taken over: the listener and its accounts stay as they were", "err", err)
			}
		}
	}
}

// takeOver brings the listener in line with the settings, by another turn where it
// must. Nothing is touched before the accounts are kept: with a disk that fails,
// those of before hold, and downstreams stay.
func (s *source) takeOver(l *listener) error {
	next := s.now()
	var accounts *server.Accounts
	if next.Listen != config.Off {
		var err error
		if accounts, err = openAccounts(accountsFile(s.dir), next.accounts); err != nil {
			return err
		}
	}
	if change, _ := l.settings.Changes(next.Source); change&config.Relisten != 0 {
		s.serving.restart()
		return nil
	}
	l.server.Reload(accounts, next.tls)
	l.server.SetMaxConnections(next.MaxConnections)
	return nil
}

func (s *source) noteRefused(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = err
}

// reloadRefused is why the last reload was not taken over; nil where it was.
func (s *source) reloadRefused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		return nil
	}
	return fmt.Errorf("source %s: its listener and accounts stay as they were: %w", s.name, s.refused)
}

// trouble is what is wrong with the source for more than a moment, and since when; nil for nothing.
func (s *source) trouble() (since time.Time, err error) {
	for _, p := range []*part{&s.archiving, &s.following, &s.serving} {
		if since, err := p.trouble(); err != nil {
			return since, err
		}
	}
	if o := s.open.Load(); o != nil {
		select {
		case <-o.admitted: // a bucket that is away keeps nothing else from working
		default:
			return s.storing.trouble()
		}
	}
	return time.Time{}, nil
}
