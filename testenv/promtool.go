package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Promtool returns the path of Prometheus' promtool: the installed one, else one in the
// user's cache directory. Where that is missing it is taken out of Debian's package, of
// which nothing is installed and no server is started.
func Promtool(ctx context.Context) (path string, err error) {
	if path, err = exec.LookPath("promtool"); err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("fetching promtool: %w", err)
	}
	cache = filepath.Join(cache, "binlogproxy")
	path = filepath.Join(cache, "promtool")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unlock, err := lockFile(ctx, "fetch-promtool")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // fetched by whoever had the lock
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("fetching promtool: %w", err)
	}
	if err := fetchPromtool(ctx, cache, path); err != nil {
		return "", fmt.Errorf("there is no promtool, and it could not be taken out of Debian's package prometheus (install it by hand): %w", err)
	}
	return path, nil
}

func fetchPromtool(ctx context.Context, cache, path string) error {
	dir, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	run := func(name string, args ...string) error {
		c := exec.CommandContext(ctx, name, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
		}
		return nil
	}
	download := func() error { return run("apt-get", "download", "prometheus") }
	if err := download(); err != nil { // on a new machine there are no package lists yet
		if updated := run("apt-get", "update"); updated != nil {
			return fmt.Errorf("%w; and %w", err, updated)
		}
		if err := download(); err != nil {
			return err
		}
	}
	packages, err := filepath.Glob(filepath.Join(dir, "prometheus_*.deb"))
	if err != nil {
		return err
	}
	if len(packages) != 1 {
		return fmt.Errorf("apt-get has downloaded %q", packages)
	}
	if err := run("dpkg-deb", "--extract", packages[0], "content"); err != nil {
		return err
	}
	binary := filepath.Join(dir, "content", "usr", "bin", "promtool")
	if err := run(binary, "--version"); err != nil {
		return err
	}
	return os.Rename(binary, path)
}
