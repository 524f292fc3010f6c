package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// startPatience is how long a client that is ahead of us is kept waiting for the
// log to catch up before its connection is closed. It stays below a replica's
// default replica_net_timeout, 60 s.
const startPatience = 30 * time.Second

// locate finds where a dump begins. A client that is ahead of the log, having
// come from the source itself, is made to wait: it is wrong only if the source
// has not got that either.
func (d *dump) locate(ctx context.Context) (replication.Position, error) {
	timeout := time.NewTimer(startPatience)
	defer timeout.Stop()
	for {
		changed := d.log.Changed()
		start, err := d.find()
		if !errors.Is(err, errTemporary) {
			return start, err
		}
		select {
		case <-changed:
		case <-timeout.C:
			return start, err
		case <-ctx.Done():
			return start, ctx.Err()
		}
	}
}

func (d *dump) find() (replication.Position, error) {
	files := d.log.Files()
	if len(files) == 0 {
		return replication.Position{}, errTemporary
	}
	if mode := d.source.GTIDMode(); d.request.gtid && mode != "ON" {
		return replication.Position{}, fatalError(fmt.Sprintf("The replication sender thread cannot start in AUTO_POSITION mode: this server has GTID_MODE = %s instead of ON.", mode))
	}
	if d.request.gtid && d.request.file == "" {
		return d.findGTIDs(files)
	}
	return d.findPosition(files)
}

// findPosition finds a start by file and offset; no name means the first file.
func (d *dump) findPosition(files []archive.File) (replication.Position, error) {
	at := replication.Position{File: d.request.file, Offset: int64(min(d.request.pos, math.MaxInt64))}
	if at.File == "" {
		at.File = files[0].Name
	}
	for i, f := range files {
		if f.Name != at.File {
			continue
		}
		if at.Offset < replication.FirstEventOffset {
			return at, d.openError(archive.ErrPositionTooSmall)
		}
		if at.Offset <= f.Size {
			return at, nil
		}
		if i == len(files)-1 && !d.request.nonBlock && !f.Sealed {
			return at, errTemporary
		}
		return at, d.openError(archive.ErrPositionTooLarge)
	}
	if !d.request.nonBlock && laterFile(files[len(files)-1].Name, at.File) {
		return at, errTemporary
	}
	return at, d.openError(archive.ErrNoSuchFile)
}

// laterFile reports whether a server that writes last will some time write name.
func laterFile(last, name string) bool {
	base, number, ok := fileNumber(last)
	itsBase, its, itIs := fileNumber(name)
	return ok && itIs && base == itsBase && its > number
}

func fileNumber(name string) (base string, number uint64, ok bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return "", 0, false
	}
	number, err := strconv.ParseUint(name[dot+1:], 10, 64)
	return name[:dot], number, err == nil
}

// findGTIDs finds the start of an auto-position dump: the newest file before
// which the client has everything.
func (d *dump) findGTIDs(files []archive.File) (replication.Position, error) {
	at := replication.Position{Offset: replication.FirstEventOffset}
	set := d.request.set
	if d.isAhead(set) {
		if d.request.nonBlock {
			return at, moreGTIDsError()
		}
		return at, errTemporary
	}
	if purged := d.log.Purged(); !set.ContainsSet(purged) {
		return at, purgedError(set, purged.Subtract(set))
	}
	file, err := d.log.FileForGTIDs(set)
	if last := files[len(files)-1]; err != nil && last.GTIDsBefore == nil && !last.Sealed {
		return at, errTemporary // its PREVIOUS_GTIDS is still to come
	}
	if err != nil {
		return at, d.openError(err)
	}
	at.File = file.Name
	d.resumes, err = d.firstIsSkipped(file)
	return at, err
}

// isAhead reports whether a client has transactions of the source that have not come
// here yet. Those in gaps never will.
func (d *dump) isAhead(set *replication.GTIDSet) bool {
	uuid, err := replication.ParseUUID(d.source.ServerUUID)
	return err == nil && !d.log.Executed().Union(d.log.Missing()).ContainsSet(set.ForUUID(uuid))
}
