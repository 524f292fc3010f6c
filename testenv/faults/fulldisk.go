package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// imageSize is that of the disk that FullDisk fills.
const imageSize = 64 << 20

// fullStep is a moment at which the disk is filled, and what then needs room.
type fullStep struct {
	name      string
	down      bool // the daemon was killed, and is started on the full disk
	lostIndex bool // and an index is missing
	writes    []string
}

var fullSteps = []fullStep{
	{name: "while it receives", writes: more},
	{name: "before a rotation", writes: more[1:]},
	{name: "while it is down", down: true, writes: more},
	{name: "while it is down and lacks an index", down: true, lostIndex: true, writes: more},
}

// fullDisk is a daemon on a small disk of its own.
type fullDisk struct {
	scenario
	mount string
}

// FullDisk fills an ext4 file system at each step of a passage. Each time the daemon
// says so, goes on serving what it has, can be ended and started meanwhile, and goes on
// by itself when there is room. It needs root.
func FullDisk(ctx context.Context, o Options) (err error) {
	mount := filepath.Join(o.Dir, "ext4")
	unmount, err := mountImage(ctx, filepath.Join(o.Dir, "image"), mount)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmount()) }()
	for i, step := range fullSteps {
		s := &fullDisk{scenario: scenario{Options: &o, claims: newClaims(), full: true}, mount: mount}
		dir := filepath.Join(mount, fmt.Sprintf("data%d", i))
		if s.daemon, err = o.newDaemon(dir, o.Primary.Addr()); err != nil {
			return err
		}
		err := errors.Join(s.fillAt(ctx, step), s.daemon.Close())
		if err != nil {
			return fmt.Errorf("full %s: %w\n%s", step.name, err, s.daemon.Tail())
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	o.Say("a full disk of %d MiB at %d steps: said so, served, went on by itself", imageSize>>20, len(fullSteps))
	return nil
}

// mountImage makes a file system in a file.
func mountImage(ctx context.Context, image, mount string) (unmount func() error, err error) {
	if err := errors.Join(os.Mkdir(mount, 0o700), os.WriteFile(image, nil, 0o600), os.Truncate(image, imageSize)); err != nil {
		return nil, err
	}
	for _, line := range [][]string{{"mkfs.ext4", "-q", "-m", "0", image}, {"mount", "-o", "loop", image, mount}} {
		if out, err := exec.CommandContext(ctx, line[0], line[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w (root is needed)\n%s", line, err, out)
		}
	}
	return func() error {
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			return fmt.Errorf("umount %s: %w\n%s", mount, err, out)
		}
		return nil
	}, nil
}

// fillAt goes through one step.
func (s *fullDisk) fillAt(ctx context.Context, step fullStep) error {
	if err := s.execute(ctx, history); err != nil {
		return err
	}
	w, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { w.stop() }()
	if err := s.reachAll(ctx); err != nil {
		return err
	}
	if step.down {
		if err := errors.Join(s.daemon.Kill(), w.end()); err != nil {
			return err
		}
	}
	if step.lostIndex {
		if err := s.loseIndex(); err != nil {
			return err
		}
	}
	ballast := filepath.Join(s.mount, "ballast")
	if err := Fill(ballast); err != nil {
		return err
	}
	defer os.Remove(ballast)
	if err := s.execute(ctx, step.writes); err != nil {
		return err
	}
	if step.down {
		if w, err = s.start(ctx); err != nil {
			return err
		}
	}
	if err := s.stalled(ctx); err != nil {
		return err
	}
	if err := errors.Join(s.terminate(), w.end()); err != nil {
		return err
	}
	if w, err = s.start(ctx); err != nil {
		return err
	}
	if err := s.stalled(ctx); err != nil {
		return fmt.Errorf("started again: %w", err)
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if err := s.reachAll(ctx); err != nil {
		return fmt.Errorf("there is room again: %w", err)
	}
	return errors.Join(s.terminate(), w.end(), s.held(ctx))
}

func (s *fullDisk) reachAll(ctx context.Context) error {
	reached, err := s.reach(ctx)
	if err == nil && !reached {
		err = fmt.Errorf("it ended or stopped:\n%s", s.daemon.Tail())
	}
	return err
}

// loseIndex removes the index of the file that was being written.
func (s *fullDisk) loseIndex() error {
	dir, err := proof.TimelineDir(s.daemon.SourceDir())
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.idx"))
	if err != nil || len(names) == 0 {
		return fmt.Errorf("indexes in %s: %v, %w", dir, names, err)
	}
	return os.Remove(names[len(names)-1])
}

// stalled waits until the daemon says that its disk is full, in all places where it
// should, and still holds all that it claimed.
func (s *fullDisk) stalled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	var st *sourceStatus
	if err := s.daemon.WaitFor(ctx, "stalled", func() bool {
		var err error
		st, err = askStatus(ctx, s.daemon)
		return err == nil && st.Stalled
	}); err != nil {
		return err
	}
	if err := s.claims.heldBy(st); err != nil {
		return err
	}
	value, err := metric(ctx, s.daemon, "binlogproxy_log_stalled")
	if err != nil || value != "1" {
		return fmt.Errorf("metric log_stalled is %q, %w", value, err)
	}
	response, err := http.Get("http://" + s.daemon.HTTP() + "/readyz")
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		return fmt.Errorf("/readyz: %s", response.Status)
	}
	return nil
}

// Fill takes all the room of a disk, by a file of that name.
func Fill(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return err
		}
	}
	return f.Sync()
}
