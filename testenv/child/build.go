package child

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Build builds the binary into dir and returns its path. race adds the race
// detector; tags are build tags, such as those of the saboteurs.
func Build(ctx context.Context, dir string, race bool, tags string) (string, error) {
	path := filepath.Join(dir, "binlogproxy")
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	if tags != "" {
		args = append(args, "-tags", tags)
	}
	args = append(args, "github.com/binlogproxy/binlogproxy/cmd/binlogproxy")
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}
