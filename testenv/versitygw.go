package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The S3 server of the tests is built from its Go module, at a version that is known
// to work.
const (
	versityGW        = "github.com/versity/versitygw/cmd/versitygw"
	versityGWVersion = "v1.8.0"
)

// BuildVersityGW returns the path of versitygw's binary, in the user's cache
// directory. It is built, in some two minutes, where it is missing.
func BuildVersityGW(ctx context.Context) (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("building the S3 server: %w", err)
	}
	cache = filepath.Join(cache, "binlogproxy")
	path = filepath.Join(cache, "versitygw-"+versityGWVersion)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unlock, err := lockFile(ctx, "build-versitygw")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // built by whoever had the lock
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("building the S3 server: %w", err)
	}
	bin, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", fmt.Errorf("building the S3 server: %w", err)
	}
	defer os.RemoveAll(bin)
	build := exec.CommandContext(ctx, "go", "install", versityGW+"@"+versityGWVersion)
	build.Dir = bin // outside of any module, whose toolchain and flags do not matter here
	build.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the S3 server: go install %s@%s: %w\n%s", versityGW, versityGWVersion, err, out)
	}
	return path, os.Rename(filepath.Join(bin, "versitygw"), path)
}
