package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
	"github.com/binlogproxy/binlogproxy/testenv/composed"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

// What the archive has in which times are looked for: each transaction is committed a
// second behind the one before.
const (
	findFiles        = 500
	findTransactions = 50 // in each
	findTimes        = 500
)

// find measures how long it takes to find a time in all of a local archive.
func (b *bencher) find(ctx context.Context) error { return b.findIn(ctx, findFiles, findTimes) }

func (b *bencher) findIn(ctx context.Context, files, times int) (err error) {
	dir := filepath.Join(b.root, "find")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	content, err := timedFiles(filepath.Join(dir, "composed"), files)
	if err != nil {
		return err
	}
	held, err := holdFiles(ctx, filepath.Join(dir, "held"), content)
	if err != nil {
		return err
	}
	var took bench.Sample
	for range times {
		wanted := time.Unix(findBegin+rand.Int64N(int64(files*findTransactions)), 0)
		start := time.Now()
		found, err := held.FindTime(ctx, wanted)
		took = append(took, time.Since(start).Seconds()*1000)
		if err != nil || !found.Time.Equal(wanted) {
			return errors.Join(fmt.Errorf("looking for %s, %s was found", wanted, found.Time), err)
		}
	}
	name := fmt.Sprintf("finding a time in %d local files", files)
	b.add(
		bench.Result{Name: name + ", the longest", Unit: "ms", Ours: bench.Sample{took.Max()}, Goal: bench.AtMost(20)},
		bench.Result{Name: name, Unit: "ms", Ours: took},
	)
	return nil
}

const findBegin = 1_700_000_000 // the first commit, in seconds since 1970

// timedFiles are files of one source. path is written to meanwhile.
func timedFiles(path string, n int) (files []fakesource.File, err error) {
	uuid, err := replication.ParseUUID(fakesource.RecordedUUID)
	if err != nil {
		return nil, err
	}
	executed := &replication.GTIDSet{}
	for i := range int64(n) {
		f := composed.Create(path, executed)
		for j := range int64(findTransactions) {
			f.Transaction(replication.GTID{UUID: uuid, Number: i*findTransactions + j + 1}, 4<<10)
		}
		f.Rotate(fmt.Sprintf("binlog.%06d", i+2))
		err := errors.Join(f.Close(), executed.AddInterval(uuid, "", 1, (i+1)*findTransactions))
		if err != nil {
			return nil, err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		setTimes(content, findBegin+i*findTransactions)
		files = append(files, fakesource.File{Name: fmt.Sprintf("binlog.%06d", i+1), Bytes: content})
	}
	return files, nil
}

// setTimes gives each transaction of a file a second of its own, from begin on.
func setTimes(file []byte, begin int64) {
	for rest := file[replication.FirstEventOffset:]; len(rest) > 0; {
		event := rest[:binary.LittleEndian.Uint32(rest[9:])]
		rest = rest[len(event):]
		binary.LittleEndian.PutUint32(event, uint32(begin))
		body := len(event) - 4
		binary.LittleEndian.PutUint32(event[body:], crc32.ChecksumIEEE(event[:body]))
		if replication.EventType(event[4]) == replication.XIDEvent {
			begin++
		}
	}
}
