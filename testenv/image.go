package testenv

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/errdefs"
	"github.com/testcontainers/testcontainers-go"
)

// ourImage is made by setup/setup.sh, of the official image or of Debian's packages.
const ourImage = "binlogproxy/mysql:9.7"

// DefaultImage is the MySQL image that is used where no other is asked for: $BINLOGPROXY_MYSQL_IMAGE if
// set, else the one that setup/setup.sh has made. The engine's own tags are the only record, so that
// this and the script cannot disagree.
func DefaultImage(ctx context.Context) (string, error) {
	client, err := connect(ctx)
	if err != nil {
		return "", err
	}
	name := os.Getenv("BINLOGPROXY_MYSQL_IMAGE")
	if name == "" {
		name = ourImage
	}
	id, err := imageID(ctx, client, name)
	if err != nil {
		return "", err
	}
	if id == "" {
		return "", fmt.Errorf("there is no image %s (run: make setup)", name)
	}
	return name, nil
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
