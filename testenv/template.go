package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	templateRepository = "binlogproxy/mysql-template"
	templateLabel      = "binlogproxy.template-of"

	// dataDir is where servers keep their data. Not /var/lib/mysql: official images declare that to be
	// a volume, and what is in a volume does not become part of a template.
	dataDir = "/var/lib/binlogproxy/data"
)

// initScript initialises dataDir. Nothing of it reaches a binlog, so that a new server's history
// begins with its first test, in binlog.000001. Without auto.cnf each server draws its own server_uuid.
var initScript = strings.NewReplacer(
	"DATADIR", dataDir, "ROOT", RootPassword, "REPLUSER", ReplicationUser, "REPLPASSWORD", ReplicationPassword,
).Replace(`
set -e
mkdir -p DATADIR
chown mysql:mysql "$(dirname DATADIR)" DATADIR
cat >/tmp/accounts.sql <<'END'
ALTER USER root@localhost IDENTIFIED BY 'ROOT';
CREATE USER root@'%' IDENTIFIED BY 'ROOT';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
CREATE USER REPLUSER@'%' IDENTIFIED BY 'REPLPASSWORD';
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO REPLUSER@'%';
SHUTDOWN;
END
set -- mysqld --no-defaults --user=mysql --datadir=DATADIR --skip-log-bin --secure-file-priv=
"$@" --initialize-insecure
"$@" --init-file=/tmp/accounts.sql --skip-networking --mysqlx=OFF --socket=/tmp/mysqld.sock
rm DATADIR/auto.cnf
`)

// ensureTemplate returns an image that is base plus an initialised data directory. Initialising takes
// several seconds; it happens once per base image and machine, whoever comes first.
func ensureTemplate(ctx context.Context, docker *testcontainers.DockerClient, base string) (string, error) {
	baseID, err := imageID(ctx, docker, base)
	if err != nil {
		return "", err
	}
	if baseID == "" {
		if err := pull(ctx, docker, base); err != nil {
			return "", err
		}
		if baseID, err = imageID(ctx, docker, base); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256([]byte(baseID + initScript))
	template := templateRepository + ":" + hex.EncodeToString(sum[:8])

	// The packages of one test run are processes side by side.
	unlock, err := lockFile(ctx, "template")
	if err != nil {
		return "", err
	}
	defer unlock()
	id, err := imageID(ctx, docker, template)
	if err != nil || id != "" {
		return template, err
	}
	if err := makeTemplate(ctx, docker, base, template); err != nil {
		return "", fmt.Errorf("initialising a data directory with image %s: %w", base, err)
	}
	return template, removeOldTemplates(ctx, docker, base, template)
}

func pull(ctx context.Context, docker *testcontainers.DockerClient, image string) error {
	response, err := docker.ImagePull(ctx, image, client.ImagePullOptions{})
	if err == nil {
		err = response.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("image %s is not here and cannot be pulled: %w", image, err)
	}
	return nil
}

func makeTemplate(ctx context.Context, docker *testcontainers.DockerClient, base, template string) error {
	c, err := runContainer(ctx, docker, testcontainers.ContainerRequest{
		Image:      base,
		Entrypoint: []string{"bash", "-c", initScript},
		WaitingFor: wait.ForExit().WithPollInterval(pollInterval),
	}, true)
	if err != nil {
		return err
	}
	defer c.remove(context.WithoutCancel(ctx))
	exit, err := c.exitCode(ctx)
	if err != nil {
		return err
	}
	if exit != 0 {
		return fmt.Errorf("exit code %d\n%s", exit, c.logTail(ctx))
	}
	_, err = docker.ContainerCommit(ctx, c.id(), client.ContainerCommitOptions{
		Reference: template,
		Changes:   []string{fmt.Sprintf("LABEL %s=%s", templateLabel, base)},
	})
	return err
}

// removeOldTemplates keeps templates from piling up when an image is built or pulled anew. One that a
// server still runs on stays: the engine refuses to remove it, and that is no error here.
func removeOldTemplates(ctx context.Context, docker *testcontainers.DockerClient, base, newest string) error {
	images, err := docker.ImageList(ctx, client.ImageListOptions{
		Filters: make(client.Filters).Add("label", templateLabel+"="+base),
	})
	if err != nil {
		return fmt.Errorf("listing old templates: %w", err)
	}
	for _, image := range images.Items {
		for _, tag := range image.RepoTags {
			if tag != newest {
				_, _ = docker.ImageRemove(ctx, tag, client.ImageRemoveOptions{})
			}
		}
	}
	return nil
}
