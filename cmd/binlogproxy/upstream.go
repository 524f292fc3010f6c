package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/internal/atomicfile"
	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replica"
	"github.com/binlogproxy/binlogproxy/server"
)

// upstream remembers who the source is, over restarts too, so that downstreams
// can come back while it is away.
type upstream struct {
	path   string // upstream.json
	logger *slog.Logger
	known  atomic.Pointer[server.Identity]
}

const upstreamFile = "upstream.json"

// openUpstream reads what was last known. A file that cannot be read is only
// reported: the next connection to the source makes it anew.
func openUpstream(dir string, logger *slog.Logger) (*upstream, error) {
	u := &upstream{path: filepath.Join(dir, upstreamFile), logger: logger}
	b, err := os.ReadFile(u.path)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err != nil {
		return nil, err
	}
	var id server.Identity
	if err := json.Unmarshal(b, &id); err != nil {
		logger.Warn("what was known of the source cannot be read; it is asked again", "file", u.path, "err", err)
		return u, nil
	}
	u.known.Store(&id)
	return u, nil
}

// shownUpstream is what downstreams are told of the source. It implements server.Upstream.
type shownUpstream struct {
	*upstream
	version string // instead of the source's; "" = the source's
}

// Identity gives what is known of the source; false while nothing is.
func (u shownUpstream) Identity() (server.Identity, bool) {
	id := u.known.Load()
	if id == nil {
		return server.Identity{}, false
	}
	shown := *id
	if u.version != "" {
		shown.Version = u.version
	}
	return shown, true
}

// learn keeps who the source is, with the variables that downstreams ask for, also on
// the disk. That a disk does not take it is only reported: it is learnt again.
func (u *upstream) learn(ctx context.Context, info replica.SourceInfo, options dial.Options) error {
	variables, err := sourceVariables(ctx, options)
	if err != nil {
		return err
	}
	id := server.Identity{Flavor: info.Flavor, Version: info.Version, ServerID: info.ServerID, ServerUUID: info.ServerUUID, Variables: variables}
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if held, err := os.ReadFile(u.path); err != nil || !bytes.Equal(held, b) {
		if err := atomicfile.Replace(u.path, b); err != nil {
			u.logger.Warn("who the source is could not be stored; downstreams cannot come back while it is away, should this process end", "file", u.path, "err", err)
		}
	}
	u.known.Store(&id)
	return nil
}

// sourceVariables asks the source for the variables that downstreams want to know.
func sourceVariables(ctx context.Context, options dial.Options) (map[string]string, error) {
	conn, err := dial.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	quoted := "'" + strings.Join(server.UpstreamVariables(), "', '") + "'"
	result, err := conn.Query(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("+quoted+")")
	if err != nil {
		return nil, err
	}
	variables := make(map[string]string, len(result.Rows))
	for _, row := range result.Rows {
		if len(row) == 2 {
			variables[strings.ToLower(row[0])] = row[1]
		}
	}
	return variables, nil
}
