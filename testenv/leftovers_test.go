package testenv

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

// leaveServerBehind makes the test binary a process that starts a server and ends without a word.
const leaveServerBehind = "TESTENV_LEAVE_SERVER_BEHIND"

func TestServersOfADeadProcessAreRemoved(t *testing.T) {
	RequireDocker(t)
	if os.Getenv(leaveServerBehind) != "" {
		m, err := StartMySQL(t.Context(), MySQLOptions{Name: "leftover"})
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("container=" + m.ContainerID() + "\n")
		os.Exit(0)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), leaveServerBehind+"=1")
	output, err := child.CombinedOutput()
	_, id, found := strings.Cut(string(output), "container=")
	if err != nil || !found {
		t.Fatalf("the other process: %v\n%s", err, output)
	}
	id, _, _ = strings.Cut(id, "\n")

	docker, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer docker.Close()
	if _, err := docker.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{}); err != nil {
		t.Fatalf("the server did not outlive its process, so this test shows nothing: %v", err)
	}
	if err := removeLeftovers(t.Context(), docker); err != nil {
		t.Fatal(err)
	}
	if _, err := docker.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{}); err == nil {
		t.Error("the server is still there")
	}
}
