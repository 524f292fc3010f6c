package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Transaction is one that is held, and where.
type Transaction struct {
	Position replication.Position // of its first event
	End      int64                // behind its last one
	GTID     replication.GTID     // zero where it has none
	Time     time.Time            // when the source committed it, by its clock
}

// walker finds the transactions in a stretch of a file that begins on a boundary. It
// verifies the events that fit its buffer.
type walker struct {
	chunks  chunker
	follows replication.Transactions
	at      Transaction // the one that is open
	effect  replication.Effect
	stamp   uint32 // of the event in parts
}

func newWalker(f File, file io.ReaderAt, from int64, buffer int) *walker {
	return &walker{
		chunks:  chunker{file: file, name: f.Name, offset: from, buf: make([]byte, max(buffer, 2*replication.EventPrefix))},
		follows: replication.Between(f.Checksum),
	}
}

// walk visits each transaction that ends at or before limit, in order, until visit says
// that it has seen enough. limit is an event's end.
func (w *walker) walk(ctx context.Context, limit int64, visit func(*Transaction) (more bool)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := w.chunks.offset
		data, part, err := w.chunks.next(limit)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case part != WholeEvents:
			if part == FirstPart {
				if err := w.begin(data, at); err != nil {
					return err
				}
			}
			if part == LastPart && w.end(w.chunks.offset) && !visit(&w.at) {
				return nil
			}
			continue
		}
		for len(data) > 0 {
			event := data[:binary.LittleEndian.Uint32(data[9:])]
			if w.follows.Checksum() == replication.ChecksumCRC32 {
				if err := replication.VerifyChecksum(event); err != nil {
					w.chunks.offset = at
					return err
				}
			}
			if err := w.begin(event, at); err != nil {
				w.chunks.offset = at
				return err
			}
			at += int64(len(event))
			data = data[len(event):]
			if w.end(at) && !visit(&w.at) {
				return nil
			}
		}
	}
}

// begin takes an event that stands at offset, or the first part of a large one.
func (w *walker) begin(event []byte, offset int64) error {
	effect, err := w.follows.Next(event)
	if err != nil {
		return err
	}
	w.effect, w.stamp = effect, binary.LittleEndian.Uint32(event)
	if effect.Begins {
		w.at.Position = replication.Position{File: w.chunks.name, Offset: offset}
	}
	return nil
}

// end says whether a transaction ends with the event that ends at offset.
func (w *walker) end(offset int64) bool {
	if !w.effect.Ends {
		return false
	}
	current := w.follows.Current()
	w.at.End, w.at.GTID = offset, current.GTID
	if w.at.Time = commitTime(current.ImmediateCommit); w.at.Time.IsZero() {
		w.at.Time = time.Unix(int64(w.stamp), 0)
	}
	return true
}

// explainWalk makes of an error of walk what its caller is told.
func (a *Archive) explainWalk(f File, file openHandle, w *walker, err error) error {
	var away *RemoteError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), permanent(err), errors.As(err, &away):
		return err
	case isIOError(err):
		return &DiskError{Op: "read", File: a.filePath(f.Name), Err: err}
	}
	name, local := file.source(w.chunks.offset)
	damage := &DamageError{File: name, Offset: w.chunks.offset, Expected: "an event", Found: err.Error()}
	if !local {
		return damage
	}
	return a.damaged(damage)
}
