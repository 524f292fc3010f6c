package testenv

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// testcontainers reads its environment once, at the first use, so these have to be there before.
func init() {
	for name, value := range map[string]string{
		// The reaper is one more image to pull, which not every machine can; leftovers.go does its work.
		"TESTCONTAINERS_RYUK_DISABLED": "true",
		// Else a process that itself runs in a container looks for servers at the bridge's gateway.
		"TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
	} {
		if os.Getenv(name) == "" {
			os.Setenv(name, value)
		}
	}
	// It reports every step of every container, and a banner. Errors are returned anyway.
	tclog.SetDefault(tclog.NewNoopLogger())
}

var engine struct {
	mu     sync.Mutex
	client *testcontainers.DockerClient
}

// connect returns the client of the container engine. It asks again after a failure, not after a success.
func connect(ctx context.Context) (*testcontainers.DockerClient, error) {
	engine.mu.Lock()
	defer engine.mu.Unlock()
	if engine.client != nil {
		return engine.client, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, fmt.Errorf("no container engine answers (run: make setup): %w", err)
	}
	engine.client = client
	return client, nil
}

// Setup checks that servers can be started: that a container engine answers and that DefaultImage is
// there. It installs nothing; its error names the command that does.
func Setup(ctx context.Context) error {
	_, err := DefaultImage(ctx)
	return err
}

// RequireDocker ends the test at once when servers cannot be started, and says what to run. It does
// not skip: a test run without the tests that matter must not look green. With -short it does.
func RequireDocker(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers, left out by -short")
	}
	if err := Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
}
