package main

import (
	"crypto/rand"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/atomicfile"
	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/replication"
)

// ourUUID is the uuid of this daemon. It is made once and kept in the data directory.
func ourUUID(dataDir string) (replication.UUID, error) {
	path := filepath.Join(dataDir, config.UUIDFile)
	b, err := os.ReadFile(path)
	if err == nil {
		id, err := replication.ParseUUID(strings.TrimSpace(string(b)))
		if err != nil {
			return id, fmt.Errorf("%s: %w", path, err)
		}
		return id, nil
	}
	var id replication.UUID
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if _, err := rand.Read(id[:]); err != nil {
		return id, err
	}
	setVersion(&id, 4)
	return id, atomicfile.Replace(path, []byte(id.String()+"\n"))
}

// uuidOf is the server_uuid under which the daemon is known to one of its sources.
// Each has its own: two sources may follow one server, which ends the dump of a
// replica when another with the same server_uuid begins one (mysqld:
// sql/rpl_binlog_sender.cc, kill_zombie_dump_threads in sql/rpl_source.cc).
func uuidOf(daemon replication.UUID, source string) replication.UUID {
	sum := sha1.Sum(append(daemon[:], source...))
	id := replication.UUID(sum[:len(daemon)])
	setVersion(&id, 5)
	return id
}

// setVersion makes random or hashed bytes a UUID (RFC 9562).
func setVersion(id *replication.UUID, version byte) {
	id[6], id[8] = id[6]&0x0f|version<<4, id[8]&0x3f|0x80
}
