package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// mysqlbinlog copies the source's file with mysqlbinlog --raw, in the source's container
// and into the directory in memory shared with it. The shell's own time measures that process alone.
func (s *source) mysqlbinlog(ctx context.Context) (map[string]float64, error) {
	out := filepath.Join(s.memory, "out")
	if err := makeOpenDir(out); err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	script := fmt.Sprintf(`TIMEFORMAT='%%R %%U %%S'; export MYSQL_PWD=%s
time mysqlbinlog --no-defaults --read-from-remote-server --raw --result-file=%s/out/ --ssl-mode=DISABLED --get-server-public-key --host=127.0.0.1 --port=%d --user=%s %s`,
		testenv.ReplicationPassword, thereInMemory, s.server.Port(), testenv.ReplicationUser, fileName)
	_, stderr, exit, err := s.server.Exec(ctx, "bash", "-c", script)
	if err != nil {
		return nil, err
	}
	var real, user, system float64
	if n, err := fmt.Sscan(stderr, &real, &user, &system); exit != 0 || n != 3 {
		return nil, fmt.Errorf("mysqlbinlog ended with %d: %v, %s", exit, err, strconv.Quote(stderr))
	}
	info, err := os.Stat(filepath.Join(out, fileName))
	if err != nil {
		return nil, err
	}
	if info.Size() != s.file.Size {
		return nil, fmt.Errorf("mysqlbinlog wrote %d bytes of %d", info.Size(), s.file.Size)
	}
	return figures(s, real, user+system), nil
}
