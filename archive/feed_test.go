package archive_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

var testIdentity = archive.Identity{Flavor: replication.MySQL, ServerUUID: sourceUUID, ServerID: 7}

// anyReach is that of a source that sends everything.
var anyReach = replication.Reach{Farthest: math.MaxInt64}

// feeder is what the replica's connection does to a log: it sends the history's
// bytes from where Resume says.
type feeder struct {
	history    *history
	flushEvery int  // events
	partSize   int  // larger events travel in parts of this size; 0 = whole
	runs       int  // as many events travel as a run; 0 = each alone
	announce   bool // StartFile also for a resume at a file's start
	stopAfter  int  // events; 0 = all
	onEvent    func(replication.Position)
}

var errStopped = errors.New("stopped as told")

func (f feeder) run(l *archive.Log) error {
	from, ok, err := l.Resume(anyReach)
	if err != nil {
		return err
	}
	i := 0
	if ok {
		for ; i < len(f.history.files) && f.history.files[i].name != from.File; i++ {
		}
		if i == len(f.history.files) {
			return fmt.Errorf("resume at unknown file %s", from)
		}
	} else {
		from.Offset = replication.FirstEventOffset
	}
	started := ok && !f.announce && from.Offset >= replication.FirstEventOffset
	if _, held := l.End(); held && started {
		end, _ := l.End()
		started = end.File == from.File
	}
	n := 0
	for ; i < len(f.history.files); i++ {
		file := f.history.files[i]
		if !(started || ok && from.Offset > replication.FirstEventOffset) {
			if err := l.StartFile(file.name); err != nil {
				return err
			}
		}
		started, ok = false, false
		for at := int(from.Offset); at < len(file.bytes); {
			if f.stopAfter > 0 && n >= f.stopAfter {
				return errStopped
			}
			size := int(binary.LittleEndian.Uint32(file.bytes[at+9:]))
			if f.runs > 0 {
				size = runSize(file.bytes[at:], f.runs)
			}
			if err := f.send(l, file.bytes[at:at+size]); err != nil {
				return err
			}
			at += size
			n += max(1, f.runs)
			if f.flushEvery > 0 && n%f.flushEvery < max(1, f.runs) {
				l.Flush()
			}
			if f.onEvent != nil {
				f.onEvent(replication.Position{File: file.name, Offset: int64(at)})
			}
		}
		from.Offset = replication.FirstEventOffset
	}
	l.Flush()
	return nil
}

// runSize is how long the next n events are together.
func runSize(b []byte, n int) int {
	size := 0
	for ; n > 0 && size < len(b); n-- {
		size += int(binary.LittleEndian.Uint32(b[size+9:]))
	}
	return size
}

func (f feeder) send(l *archive.Log, event []byte) error {
	if f.runs > 0 {
		return l.AppendRun(event)
	}
	if f.partSize == 0 || len(event) <= max(f.partSize, replication.EventPrefix) {
		return l.Append(event, true)
	}
	first := max(f.partSize, replication.EventPrefix)
	if err := l.Append(event[:first], false); err != nil {
		return err
	}
	for event = event[first:]; len(event) > f.partSize; event = event[f.partSize:] {
		if err := l.Append(event[:f.partSize], false); err != nil {
			return err
		}
	}
	return l.Append(event, true)
}

// runStopped is run with stopAfter, where that is no error.
func (f feeder) runStopped(l *archive.Log) error {
	if err := f.run(l); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

// sendAll sends a file's events from offset at on.
func (f feeder) sendAll(l *archive.Log, file *binlogFile, at int) error {
	for at < len(file.bytes) {
		size := int(binary.LittleEndian.Uint32(file.bytes[at+9:]))
		if err := f.send(l, file.bytes[at:at+size]); err != nil {
			return err
		}
		at += size
	}
	return nil
}
