package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestTheProductLinksNoDockerAndNoTestPackage(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "github.com/binlogproxy/binlogproxy/archive\n") {
		t.Fatalf("that is no list of packages:\n%s", out)
	}
	for line := range strings.Lines(string(out)) {
		for _, word := range []string{"docker", "moby", "testcontainers", "binlogproxy/testenv", "testing", "goleak", "rapid", "testify"} {
			if strings.Contains(line, word) {
				t.Errorf("linked: %s", strings.TrimSpace(line))
			}
		}
	}
}
