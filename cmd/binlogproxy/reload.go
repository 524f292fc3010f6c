package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/server"
)

// load reads the configuration anew, from where it was given at the start, and all
// that it refers to. All mistakes are reported at once, as a usageError.
func (f *runFlags) load() (*config.Config, []settings, error) {
	c, err := f.configuration()
	if err != nil {
		return nil, nil, err
	}
	sources, err := readSettings(c)
	return c, sources, err
}

// reloading is what the last reload said.
type reloading struct {
	err       error     // of the last one
	at        time.Time // of the last one; zero before the first
	succeeded time.Time // when the configuration that holds was read
}

// reload brings the sources in line with the configuration as it is now: what is
// new begins, what is gone ends, what differs is done again as far as it must, and
// what has failed is tried again. With a mistake in it, nothing changes.
func (d *daemon) reload(ctx context.Context) {
	c, next, err := d.load()
	if err == nil {
		err = errors.Join(d.fixed(c), checkAccounts(c.DataDir, next))
	}
	if err != nil {
		d.logger.Error("the configuration was not reloaded, nothing has changed", "err", err)
	}
	d.noteReload(err)
	if err != nil {
		return
	}
	_ = d.level.UnmarshalText([]byte(c.Log.Level)) // Validate allows known words only
	d.mu.Lock()
	before := d.sources
	d.config, d.sources, d.begun = c, nil, true
	for _, s := range next {
		i := slices.IndexFunc(before, func(b *source) bool { return b.name == s.Name })
		if i < 0 {
			d.sources = append(d.sources, newSource(d, s))
			continue
		}
		d.sources = append(d.sources, before[i])
	}
	now := slices.Clone(d.sources)
	d.mu.Unlock()
	for _, s := range before {
		if !slices.Contains(now, s) {
			s.logger.Info("the source was removed; what it holds stays in the data directory")
			s.remove()
			d.metrics.forget(s.name)
		}
	}
	for i, s := range now {
		if slices.Contains(before, s) {
			s.change(next[i])
			continue
		}
		s.logger.Info("the source was added")
		d.start(ctx, s)
	}
	d.logger.Info("the configuration was reloaded", "sources", len(now))
}

// fixed reports the keys of the process that cannot change while it runs.
func (d *daemon) fixed(next *config.Config) error {
	d.mu.Lock()
	now := d.config
	d.mu.Unlock()
	var mistakes []error
	for _, key := range []struct{ name, now, next string }{
		{"data-dir", now.DataDir, next.DataDir}, {"http.listen", now.HTTP.Listen, next.HTTP.Listen}, {"log.format", now.Log.Format, next.Log.Format},
		{"bucket", fmt.Sprint(now.Bucket), fmt.Sprint(next.Bucket)},
	} {
		if key.now != key.next {
			mistakes = append(mistakes, fmt.Errorf("%s: %q cannot become %q without a restart of the process", key.name, key.now, key.next))
		}
	}
	return errors.Join(mistakes...)
}

// checkAccounts reports accounts that a listener could not take over: without a
// password, and none was kept.
func checkAccounts(dataDir string, next []settings) error {
	var mistakes []error
	for _, s := range next {
		if err := server.CheckAccounts(accountsFile(filepath.Join(dataDir, s.Name)), s.accounts); err != nil {
			mistakes = append(mistakes, fmt.Errorf("source %s: %w", s.Name, err))
		}
	}
	return errors.Join(mistakes...)
}

func (d *daemon) noteReload(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reloading.err, d.reloading.at = err, time.Now()
	if err == nil {
		d.reloading.succeeded = d.reloading.at
	}
}

// lastReload is what the last reload said, or the start; and then its sources.
func (d *daemon) lastReload() reloading {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.reloading
	for _, s := range d.sources {
		last.err = errors.Join(last.err, s.reloadRefused())
	}
	return last
}

// change gives the source other settings. What they touch is begun again by the
// source's own goroutines: nobody waits for a disk or a network here.
func (s *source) change(next settings) {
	s.mu.Lock()
	before := s.settings
	s.settings = next
	s.mu.Unlock()
	change, keys := before.Changes(next.Source)
	if before.password != next.password {
		change |= config.Reconnect
		keys = append(keys, "the password")
	}
	if len(keys) > 0 {
		s.logger.Info("the source was changed", "keys", keys)
	}
	s.apply(change)
}

// apply begins again what a change touches, and what has failed. A log that is being
// opened goes by the settings that hold then: its recovery may be long.
func (s *source) apply(change config.Change) {
	_, following := s.following.trouble()
	_, serving := s.serving.trouble()
	o := s.open.Load()
	switch {
	case o == nil:
		s.archiving.retry()
		return
	case o.log.State().Stopped != nil:
		s.archiving.restart()
		return
	}
	if change&config.Reconnect != 0 || following != nil {
		s.following.restart()
	}
	if serving != nil || change&config.Relisten != 0 && o.listener.Load() == nil {
		s.serving.restart()
	}
	select {
	case o.changed <- struct{}{}: // files may have changed, too
	default: // it is told already
	}
}
