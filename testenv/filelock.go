package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// pollInterval is for what can only be asked, not waited for.
const pollInterval = 20 * time.Millisecond

// lockDir holds the lock files by which the processes of one user agree on templates, ports and
// leftovers. The kernel gives a lock back when its process ends, however it ends.
func lockDir() (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("binlogproxy-testenv-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the directory of lock files: %w", err)
	}
	return dir, nil
}

// errLocked: another process, or another part of this one, holds the lock.
var errLocked = errors.New("locked")

// tryLockFile takes the lock name. The file is made when it is missing, and stays.
func tryLockFile(name string) (unlock func(), err error) {
	dir, err := lockDir()
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a lock file: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
	}
	return func() { file.Close() }, nil
}

// lockFile waits for the lock name.
func lockFile(ctx context.Context, name string) (unlock func(), err error) {
	for {
		unlock, err := tryLockFile(name)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock %s: %w", name, context.Cause(ctx))
		case <-time.After(pollInterval):
		}
	}
}
