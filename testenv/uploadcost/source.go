package uploadcost

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/composed"
)

const sourceUUID = "6b696e64-0000-4000-8000-636f73740001"

// What a transaction of the source has: two events of rows, and less than 1 KiB beside
// them.
const (
	rows           = 8 << 10
	MaxTransaction = 2*rows + 1<<10
)

// simulation is a source, and the log that receives from it.
type simulation struct {
	Options
	clock   *clock
	log     *archive.Log
	uuid    replication.UUID
	number  int64 // of the last transaction
	written int64 // bytes
}

func name(file int) string { return fmt.Sprintf("binlog.%06d", file) }

func (s *simulation) run(ctx context.Context) (err error) {
	if s.uuid, err = replication.ParseUUID(sourceUUID); err != nil {
		return err
	}
	if err := s.log.Bind(archive.Identity{Flavor: replication.MySQL, ServerUUID: s.uuid, ServerID: 1}); err != nil {
		return err
	}
	if err := s.log.StartFile(name(1)); err != nil {
		return err
	}
	for i := range s.Files {
		if err := s.file(ctx, i+1); err != nil {
			return err
		}
	}
	return nil
}

// file writes a file and goes on to the next one, and returns when it is sealed in the bucket.
func (s *simulation) file(ctx context.Context, number int) error {
	path := filepath.Join(s.Dir, name(number))
	if err := s.compose(path, name(number+1)); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := errors.Join(os.Remove(path), s.send(ctx, f, name(number)), s.log.StartFile(name(number+1))); err != nil {
		return err
	}
	return s.until(ctx, func() bool {
		if s.clock.waits(pollEvery) { // for what it has not seen yet
			s.clock.advance(pollEvery)
		}
		u := s.log.UploadStatus()
		return u.Pending == 0 && u.Files == int64(number)
	})
}

func (s *simulation) compose(path, next string) error {
	executed := &replication.GTIDSet{}
	if s.number > 0 {
		if err := executed.AddInterval(s.uuid, "", 1, s.number); err != nil {
			return err
		}
	}
	f := composed.Create(path, executed)
	for f.End() < s.File {
		s.number++
		f.Transaction(replication.GTID{UUID: s.uuid, Number: s.number}, rows, rows)
	}
	f.Rotate(next)
	return f.Close()
}

// send lets the log receive a file, at the rate.
func (s *simulation) send(ctx context.Context, f io.Reader, name string) error {
	in := bufio.NewReaderSize(f, 1<<20)
	if _, err := in.Discard(int(replication.FirstEventOffset)); err != nil {
		return err
	}
	at := replication.Position{File: name, Offset: replication.FirstEventOffset}
	s.written += at.Offset
	for since := int64(0); ; {
		header, err := in.Peek(replication.HeaderSize)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		event, err := in.Peek(int(binary.LittleEndian.Uint32(header[9:])))
		if err != nil {
			return err
		}
		if err := s.log.Append(event, true); err != nil {
			return err
		}
		size := int64(len(event))
		at.Offset, s.written, since = at.Offset+size, s.written+size, since+size
		if t := time.Duration(since) * time.Second / time.Duration(s.Rate); replication.EventType(event[4]) == replication.XIDEvent && t >= tick {
			if err := s.pass(ctx, at, t); err != nil {
				return err
			}
			since = 0
		}
		if _, err := in.Discard(len(event)); err != nil {
			return err
		}
	}
}

// tick is how long the source waits before it writes again, at least.
const tick = 200 * time.Millisecond

// pass lets so much time go by when the log is durable up to end, where no transaction is
// open, and the upload has nothing more to do.
func (s *simulation) pass(ctx context.Context, end replication.Position, d time.Duration) error {
	s.log.Flush()
	err := s.until(ctx, func() bool {
		if s.log.State().Durable != end {
			return false
		}
		u := s.log.UploadStatus()
		return u.Stored == end || s.clock.waits(pollEvery)
	})
	s.clock.advance(d)
	return err
}

// pollEvery is the longest that the upload asks for while something waits to be stored.
const pollEvery = 200 * time.Millisecond

// until waits for something to become true. The clock stands still.
func (s *simulation) until(ctx context.Context, reached func() bool) error {
	for !reached() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Microsecond):
		}
	}
	return nil
}
