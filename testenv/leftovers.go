package testenv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

const (
	ownerLabel  = "binlogproxy.owner"
	ownerPrefix = "owner-"
)

// process is what this process holds, see the package comment.
var process struct {
	mu     sync.Mutex
	owner  string // name of the lock file; empty until sweepLeftovers has succeeded
	unlock func() // never called: the lock is held until the process ends, and this keeps its file open
}

// sweepLeftovers removes, once per process, the containers of processes that have ended. It returns
// the owner that this process marks its own containers with.
func sweepLeftovers(ctx context.Context, docker *testcontainers.DockerClient) (owner string, err error) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.owner != "" {
		return process.owner, nil
	}
	// Two sweepers at once would fight over the same containers. The lock also keeps a sweeper from
	// an owner's file that is there already but not locked yet.
	unlock, err := lockFile(ctx, "sweep")
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := removeLeftovers(ctx, docker); err != nil {
		return "", err
	}
	owner = fmt.Sprintf("%s%d-%08x", ownerPrefix, os.Getpid(), rand.Uint32())
	if process.unlock, err = tryLockFile(owner); err != nil {
		return "", err
	}
	process.owner = owner
	return owner, nil
}

func removeLeftovers(ctx context.Context, docker *testcontainers.DockerClient) error {
	dir, err := lockDir()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ownerPrefix) {
			continue
		}
		unlock, err := tryLockFile(entry.Name())
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return err
		}
		err = removeOwned(ctx, docker, entry.Name())
		if err == nil {
			err = os.Remove(filepath.Join(dir, entry.Name()))
		}
		unlock()
		if err != nil {
			return fmt.Errorf("removing the leftovers of %s: %w", entry.Name(), err)
		}
	}
	return nil
}

func removeOwned(ctx context.Context, docker *testcontainers.DockerClient, owner string) error {
	list, err := docker.ContainerList(ctx, client.ContainerListOptions{
		All:     true,
		Filters: make(client.Filters).Add("label", ownerLabel+"="+owner),
	})
	if err != nil {
		return err
	}
	for _, found := range list.Items {
		if err := removeContainer(ctx, docker, found.ID); err != nil {
			return err
		}
	}
	return nil
}
