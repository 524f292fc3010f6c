package proof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// Served has the primary's mysqlbinlog fetch files by name from whoever listens at addr,
// and compares them with the primary's own. All of them must be complete, or nothing may
// write at the primary meanwhile.
func Served(ctx context.Context, primary *testenv.MySQL, addr string, names []string) (table Table, err error) {
	dir, err := os.MkdirTemp("", "binlogproxy-served-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := download(ctx, primary, addr, names, dir); err != nil {
		return nil, err
	}
	list, err := binlogFiles(ctx, primary)
	if err != nil {
		return nil, err
	}
	return compare(ctx, primary, dir, names, list[len(list)-1].Name)
}

// download fetches files into a directory of this machine.
func download(ctx context.Context, primary *testenv.MySQL, addr string, names []string, dir string) (err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	const prefix = "/tmp/served-"
	command := append([]string{
		"mysqlbinlog", "--no-defaults", "--read-from-remote-server", "--raw", "--result-file=" + prefix,
		"--protocol=tcp", "--host=" + host, "--port=" + port, "--get-server-public-key",
		"--user=" + testenv.ReplicationUser, "--password=" + testenv.ReplicationPassword,
	}, names...)
	_, stderr, exit, err := primary.Exec(ctx, command...)
	if err == nil && exit != 0 {
		err = fmt.Errorf("mysqlbinlog ended with %d: %s", exit, stderr)
	}
	for i := 0; i < len(names) && err == nil; i++ {
		err = copyOut(ctx, primary, prefix+names[i], filepath.Join(dir, names[i]))
	}
	return err
}

func copyOut(ctx context.Context, from *testenv.MySQL, path, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(from.ReadFile(ctx, path, f), f.Close())
}

// NotOnDisk names the primary's files before the first that a daemon has in the folder of
// the source's log.
func NotOnDisk(ctx context.Context, primary *testenv.MySQL, sourceDir string) (names []string, err error) {
	dir, err := TimelineDir(sourceDir)
	if err != nil {
		return nil, err
	}
	list, err := binlogFiles(ctx, primary)
	for _, f := range list {
		if _, err := os.Stat(filepath.Join(dir, f.Name)); err == nil {
			return names, nil
		}
		names = append(names, f.Name)
	}
	return nil, errors.Join(err, fmt.Errorf("none of the primary's %d files is in %s", len(list), dir))
}
