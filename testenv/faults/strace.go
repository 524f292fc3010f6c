package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// Strace goes through the scenario again and again on the machine's own disk, each
// time with EIO at another fsync, which strace makes of the n-th one of each thread.
// (Nothing here can forget: that no failed fsync is believed is what Sweep proves.)
func Strace(ctx context.Context, o Options, step int) error {
	runs, exits, stops := 0, 0, 0
	for n := 1 + int(o.Seed%uint64(step)); ; n += step {
		s, hit, err := straceOnce(ctx, o, n)
		if err != nil {
			return fmt.Errorf("strace, EIO at fsync %d: %w", n, err)
		}
		if !hit {
			o.Say("EIO by strace: %d runs, in %d the daemon ended with 1, in %d the source stopped with 1, in the others it went on by itself", runs, exits, stops)
			return nil
		}
		runs, exits, stops = runs+1, exits+s.exits, stops+s.stops
	}
}

func straceOnce(ctx context.Context, o Options, n int) (s *scenario, hit bool, err error) {
	dir, log := filepath.Join(o.Dir, "strace"), filepath.Join(o.Dir, "strace.log")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s = &scenario{Options: &o, claims: newClaims(), mend: func() error { return nil }}
	options := o.daemonOptions(dir, o.Primary.Addr())
	options.Under = func() []string {
		if s.mended {
			return nil
		}
		return []string{"strace", "-D", "-f", "-qq", "-A", "-o", log, "-e", "trace=fsync,fdatasync", "-e", fmt.Sprintf("inject=fsync,fdatasync:error=EIO:when=%d", n)}
	}
	if s.daemon, err = child.New(options); err != nil {
		return s, false, err
	}
	defer func() { err = errors.Join(err, s.daemon.Close()) }()
	err = s.pass(ctx)
	text, readErr := os.ReadFile(log)
	hit = strings.Contains(string(text), "(INJECTED)")
	if err = errors.Join(err, readErr, os.Remove(log)); err != nil {
		return s, hit, fmt.Errorf("%w\n%s", err, s.daemon.Tail())
	}
	return s, hit, s.held(ctx)
}

// held compares the files below the daemon's directory with what was claimed, and
// with the primary's.
func (s *scenario) held(ctx context.Context) error {
	dir, err := proof.TimelineDir(s.daemon.SourceDir())
	if err != nil {
		return err
	}
	return errors.Join(s.claims.heldOn(os.ReadFile, dir), compareFiles(ctx, *s.Options, dir))
}
