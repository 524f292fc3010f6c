package testenv

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/errdefs"
	"github.com/testcontainers/testcontainers-go"
)

// The images that setup/setup.sh looks for, in its order.
const (
	officialImage = "mysql:9.7"
	localImage    = "binlogproxy/mysql:9.7"
)

// DefaultImage is the MySQL image that is used where no other is asked for: $BINLOGPROXY_MYSQL_IMAGE if
// set, else the official image if it was pulled, else the one built locally. The engine's own tags
// are the only record, so that this and setup/setup.sh cannot disagree.
func DefaultImage(ctx context.Context) (string, error) {
	client, err := connect(ctx)
	if err != nil {
		return "", err
	}
	names := []string{officialImage, localImage}
	if name := os.Getenv("BINLOGPROXY_MYSQL_IMAGE"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		id, err := imageID(ctx, client, name)
		if err != nil {
			return "", err
		}
		if id != "" {
			return name, nil
		}
	}
	return "", fmt.Errorf("no MySQL image (looked for %v; run: make setup)", names)
}

// imageID is empty when the engine has no image of that name.
func imageID(ctx context.Context, client *testcontainers.DockerClient, name string) (string, error) {
	image, err := client.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for image %s: %w", name, err)
	}
	return image.ID, nil
}
