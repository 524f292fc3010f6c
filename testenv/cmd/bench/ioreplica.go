package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

// ioReplica is a native replica whose receiver alone runs: its process does nothing else.
type ioReplica struct {
	server *testenv.MySQL
	source *source
	dir    string // of its relay logs
}

func (b *bencher) startReplica(ctx context.Context, s *source) (*ioReplica, error) {
	r := &ioReplica{source: s, dir: filepath.Join(b.root, "relay-"+s.kind.name)}
	if err := makeOpenDir(r.dir); err != nil {
		return nil, err
	}
	var err error
	r.server, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{
		Name: "replica", Binds: []string{r.dir + ":" + there},
		Args: []string{"--relay-log=" + there + "/relay", "--max-relay-log-size=1G", "--relay-log-recovery=OFF"},
	})
	return r, err
}

// receive lets the I/O thread fetch the source's file and measures until its relay logs
// have grown by that much.
func (r *ioReplica) receive(ctx context.Context) (map[string]float64, error) {
	if err := r.server.StopReplica(ctx); err != nil {
		return nil, err
	}
	for _, statement := range []string{
		"RESET REPLICA ALL",
		fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', "+
			"GET_SOURCE_PUBLIC_KEY = 1, SOURCE_SSL = 0, SOURCE_LOG_FILE = '%s', SOURCE_LOG_POS = 4",
			r.source.server.Port(), testenv.ReplicationUser, testenv.ReplicationPassword, fileName),
	} {
		if _, err := r.server.DB().ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	pid, err := r.server.PID(ctx)
	if err != nil {
		return nil, err
	}
	before, err := bench.ProcessCPU(pid)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if _, err := r.server.DB().ExecContext(ctx, "START REPLICA IO_THREAD"); err != nil {
		return nil, err
	}
	for {
		size, err := directorySize(r.dir)
		if err != nil {
			return nil, err
		}
		if size >= r.source.file.Size {
			break
		}
		if err := r.stillRuns(ctx, start); err != nil {
			return nil, err
		}
		time.Sleep(5 * time.Millisecond) // how exact the measurement is
	}
	seconds := time.Since(start).Seconds()
	after, err := bench.ProcessCPU(pid)
	if err != nil {
		return nil, err
	}
	if err := r.server.StopReplica(ctx); err != nil {
		return nil, err
	}
	return figures(r.source, seconds, (after - before).Seconds()), nil
}

// receiveLimit is when a receiver that has not ended is given up.
const receiveLimit = 5 * time.Minute

func (r *ioReplica) stillRuns(ctx context.Context, since time.Time) error {
	if err := ctx.Err(); err != nil || time.Since(since) < receiveLimit {
		return err
	}
	status, err := r.server.ReplicaStatus(ctx)
	return errors.Join(fmt.Errorf("the replica's I/O thread has not received the file: %s", status["Last_IO_Error"]), err)
}

func directorySize(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var size int64
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // the server has removed it meanwhile
		}
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}

func (r *ioReplica) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(r.server.Terminate(ctx), os.RemoveAll(r.dir))
}
