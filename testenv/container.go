package testenv

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	containertypes "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// container is one container and what may be done to it: testcontainers where it has the operation,
// else the engine's own client.
type container struct {
	docker  *testcontainers.DockerClient
	started *testcontainers.DockerContainer
}

// runContainer creates and starts a container in the host's network. An owned one is removed, at the
// latest, by the next process that starts servers after this one has ended.
func runContainer(
	ctx context.Context, docker *testcontainers.DockerClient, request testcontainers.ContainerRequest, owned bool,
) (*container, error) {
	owner, err := sweepLeftovers(ctx, docker)
	if err != nil {
		return nil, err
	}
	if owned {
		request.Labels = map[string]string{ownerLabel: owner}
	}
	modify := request.HostConfigModifier
	request.HostConfigModifier = func(config *containertypes.HostConfig) {
		config.NetworkMode = "host"
		if modify != nil {
			modify(config)
		}
	}
	generic, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: request, Started: true,
	})
	c := &container{docker: docker}
	c.started, _ = generic.(*testcontainers.DockerContainer)
	if err == nil {
		return c, nil
	}
	err = fmt.Errorf("starting a container of image %s: %w", request.Image, err)
	if c.started != nil {
		// testcontainers leaves a container behind that was created but did not start.
		err = errors.Join(err, c.remove(context.WithoutCancel(ctx)))
	}
	return nil, err
}

func (c *container) id() string { return c.started.GetContainerID() }

// start starts the container again after kill or stop.
func (c *container) start(ctx context.Context) error {
	_, err := c.docker.ContainerStart(ctx, c.id(), client.ContainerStartOptions{})
	return err
}

// kill sends SIGKILL; when it returns the process is gone. Nothing happens if it is gone already.
func (c *container) kill(ctx context.Context) error {
	// From before the signal on, so that the end cannot be missed.
	gone := c.docker.ContainerWait(ctx, c.id(), client.ContainerWaitOptions{Condition: containertypes.WaitConditionNotRunning})
	_, err := c.docker.ContainerKill(ctx, c.id(), client.ContainerKillOptions{Signal: "SIGKILL"})
	if err != nil && !errdefs.IsConflict(err) {
		return err
	}
	select {
	case <-gone.Result:
		return nil
	case err := <-gone.Error:
		return err
	}
}

// stop sends SIGTERM and waits for the process to end by itself. It never falls back to SIGKILL.
func (c *container) stop(ctx context.Context) error {
	never := -1
	_, err := c.docker.ContainerStop(ctx, c.id(), client.ContainerStopOptions{Timeout: &never})
	return err
}

func (c *container) pause(ctx context.Context) error {
	_, err := c.docker.ContainerPause(ctx, c.id(), client.ContainerPauseOptions{})
	return err
}

func (c *container) unpause(ctx context.Context) error {
	_, err := c.docker.ContainerUnpause(ctx, c.id(), client.ContainerUnpauseOptions{})
	return err
}

// remove ends the container, if need be by force, and deletes it with its volumes. It may be repeated.
func (c *container) remove(ctx context.Context) error { return removeContainer(ctx, c.docker, c.id()) }

func removeContainer(ctx context.Context, docker *testcontainers.DockerClient, id string) error {
	_, err := docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) { // conflict: its removal is under way
		err = nil
	}
	// Idle connections only, and new ones are made as needed: so that a test which looks for leaked
	// goroutines does not find those of the engine's client.
	return errors.Join(err, docker.Close())
}

func (c *container) state(ctx context.Context) (*containertypes.State, error) {
	inspected, err := c.docker.ContainerInspect(ctx, c.id(), client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	return inspected.Container.State, nil
}

// exitCode is that of the process which ended last.
func (c *container) exitCode(ctx context.Context) (int, error) {
	state, err := c.state(ctx)
	if err != nil {
		return 0, err
	}
	return state.ExitCode, nil
}

// logTail is for messages; where the log cannot be read it says so instead.
func (c *container) logTail(ctx context.Context) string {
	logs, err := c.docker.ContainerLogs(ctx, c.id(), client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: "40",
	})
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	defer logs.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, logs); err != nil {
		fmt.Fprintf(&text, "(the log ends early: %v)", err)
	}
	return text.String()
}

// exec runs a command in the container. An error means that it could not be run or watched to its
// end; a command that fails has an exit code.
func (c *container) exec(ctx context.Context, cmd []string) (stdout, stderr string, exit int, err error) {
	created, err := c.docker.ExecCreate(ctx, c.id(), client.ExecCreateOptions{
		Cmd: cmd, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return "", "", 0, err
	}
	attached, err := c.docker.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", "", 0, err
	}
	defer attached.Close()
	// The connection was taken over from HTTP, which is what would have watched ctx.
	defer context.AfterFunc(ctx, attached.Close)()
	var out, errs bytes.Buffer
	if _, err = stdcopy.StdCopy(&out, &errs, attached.Reader); err == nil {
		exit, err = c.execExitCode(ctx, created.ID)
	} else if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.String(), errs.String(), exit, err
}

// execExitCode has to ask repeatedly: the engine closes the streams before it notes the exit code.
func (c *container) execExitCode(ctx context.Context, id string) (int, error) {
	for {
		inspected, err := c.docker.ExecInspect(ctx, id, client.ExecInspectOptions{})
		if err != nil || !inspected.Running {
			return inspected.ExitCode, err
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

// readFile copies a file out, of a running container or of one that is down. It reads through the
// engine and not from a shared directory, which a user who may talk to the engine could not read.
func (c *container) readFile(ctx context.Context, path string, w io.Writer) error {
	copied, err := c.docker.CopyFromContainer(ctx, c.id(), client.CopyFromContainerOptions{SourcePath: path})
	if err != nil {
		return err
	}
	defer copied.Content.Close()
	archive := tar.NewReader(copied.Content)
	if _, err := archive.Next(); err != nil {
		return err
	}
	_, err = io.Copy(w, archive)
	return err
}

// writeFile copies a file of this machine in, for everyone to read and to write: it belongs to root.
func (c *container) writeFile(ctx context.Context, hostPath, path string) error {
	return c.started.CopyFileToContainer(ctx, hostPath, path, 0o666)
}
