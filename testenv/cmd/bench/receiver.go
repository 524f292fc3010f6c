package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replica"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// received is what the receiver, a process of its own, prints.
type received struct {
	Seconds        float64 `json:"seconds"`      // until the file was durable
	CPUSeconds     float64 `json:"cpu_seconds"`  // of the process
	SealSeconds    float64 `json:"seal_seconds"` // then, until it was in the catalog
	SealCPUSeconds float64 `json:"seal_cpu_seconds"`
	Commits        float64 `json:"commits"`
}

// receiveOnce is the process under measurement: the product's own receiver and log,
// wired as the binary wires them, for one file. The sealing, which reads the file
// again for its SHA-256, is held back until the file has been received.
func receiveOnce(ctx context.Context, out io.Writer, addr, dir string) error {
	held := &heldBack{FS: archive.OS, name: fileName, release: make(chan struct{})}
	release := sync.OnceFunc(func() { close(held.release) })
	defer release()
	log, err := archive.Open(ctx, archive.Options{Dir: dir, FS: held})
	if err != nil {
		return err
	}
	defer log.Close()
	sink := &oneFile{Log: log}
	receiver, err := replica.New(replica.Options{
		Source:   dial.Options{Addr: addr, User: testenv.ReplicationUser, Password: testenv.ReplicationPassword},
		ServerID: 4_000_001, ServerUUID: "6b696e64-0000-4000-8000-62656e636801", Sink: sink,
		OnSource: func(_ context.Context, info replica.SourceInfo) error {
			uuid, err := replication.ParseUUID(info.ServerUUID)
			if err != nil {
				return err
			}
			return log.Bind(archive.Identity{Flavor: info.Flavor, ServerID: info.ServerID, ServerUUID: uuid})
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	cpu, start := ownCPU(), time.Now()
	if err := receiver.Run(ctx); !errors.Is(err, errReceived) {
		return errors.Join(errors.New("the receiver ended before it had the file"), err)
	}
	r := received{Seconds: sink.at.Sub(start).Seconds(), CPUSeconds: (sink.cpu - cpu).Seconds()}
	cpu, start = ownCPU(), time.Now()
	release()
	for changed := log.Changed(); !log.Files()[0].Sealed; changed = log.Changed() {
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.SealSeconds, r.SealCPUSeconds = time.Since(start).Seconds(), (ownCPU() - cpu).Seconds()
	r.Commits = float64(log.Stats().Commits)
	return json.NewEncoder(out).Encode(r)
}

// errReceived ends the receiver at the end of the file.
var errReceived = &receivedError{}

type receivedError struct{}

func (*receivedError) Error() string   { return "the file was received" }
func (*receivedError) Permanent() bool { return true }

// oneFile is a log that takes one file.
type oneFile struct {
	*archive.Log
	begun bool
	at    time.Time     // when the file was durable
	cpu   time.Duration // used by then
}

// StartFile returns when the file before is durable.
func (s *oneFile) StartFile(name string) error {
	if err := s.Log.StartFile(name); err != nil || !s.begun {
		s.begun = true
		return err
	}
	s.at, s.cpu = time.Now(), ownCPU()
	return errReceived
}

// heldBack is a file system that lets nobody open a file for reading alone before release is closed.
type heldBack struct {
	archive.FS
	name    string
	release chan struct{}
}

func (h *heldBack) OpenFile(name string, mode archive.OpenMode) (archive.Handle, error) {
	if mode == archive.ReadOnly && filepath.Base(name) == h.name {
		<-h.release
	}
	return h.FS.OpenFile(name, mode)
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail for oneself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
