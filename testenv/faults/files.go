package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/binlogproxy/binlogproxy/testenv/memfs"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// timelineDir finds the directory of the one timeline; where there is none, it gives
// a name under which nothing is.
func timelineDir(fsys *memfs.FS) (string, error) {
	source := path.Join("/", dataDir, "main")
	names, err := fsys.ReadDir(source)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "0001-") {
			return path.Join(source, name), nil
		}
	}
	return path.Join(source, "none"), nil
}

// export copies the files of a directory out of a memfs.FS.
func export(fsys *memfs.FS, from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	names, err := fsys.ReadDir(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		content, err := fsys.ReadFile(path.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// compareFiles compares the binlog files in dir with the primary's.
func compareFiles(ctx context.Context, o Options, dir string) error {
	table, err := proof.Files(ctx, o.Primary, dir)
	if err != nil {
		return err
	}
	for _, line := range table {
		if !line.Equal {
			return fmt.Errorf("%s differs: %s", line.What, line.Detail)
		}
	}
	return nil
}
