package server

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/sink"
)

// BenchmarkLiveTail is one transaction of about 1 kB, from Append until the last of
// all clients has it, its fsync included. CPU time and memory are those of the whole
// process, that is of the sinks too.
func BenchmarkLiveTail(b *testing.B) {
	for _, clients := range []int{1, 32, 1000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			l, w := newMadeUpLog(b, 0)
			w.forgetful = true
			uuid := uuidOf(b, sourceUUID)
			next := int64(0)
			commit := func() {
				next++
				w.transaction(uuid, next, 90)
				l.Flush()
			}
			commit()
			addr := serveCrowd(b, l, clients)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			crowd := newCrowd(b, addr, clients)
			crowd.wait(b, framed(w)) // each is at the tail
			n := 0
			cpu := processTime(b)
			for b.Loop() {
				commit()
				n++
				crowd.wait(b, framed(w))
			}
			b.ReportMetric(float64((processTime(b)-cpu).Microseconds())/float64(n)/float64(clients), "cpu-us/client")
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/1024/float64(clients), "KiB/client")
		})
	}
}

// Each of many clients at the tail gets all of every transaction.
func TestManyClientsFollowTheTail(t *testing.T) {
	const clients = 60
	l, w := newMadeUpLog(t, 0)
	w.transaction(uuidOf(t, sourceUUID), 1, 90)
	l.Flush()
	waitForEnd(l, w)
	crowd := newCrowd(t, serveCrowd(t, l, clients), clients)
	crowd.wait(t, framed(w))
	for n := range int64(40) {
		w.transaction(uuidOf(t, sourceUUID), n+2, int(n*n*3))
		l.Flush()
		if n%4 == 0 {
			crowd.wait(t, framed(w))
		}
	}
	crowd.wait(t, framed(w))
	for i, s := range crowd.sinks {
		if s.Total() != framed(w) {
			t.Errorf("client %d has %d bytes, expected %d", i, s.Total(), framed(w))
		}
	}
}

// framed is how many bytes a client has that has got all of the only file.
func framed(w *eventWriter) int64 {
	fakeRotate := replication.HeaderSize + 8 + len(madeUpFile) + replication.ChecksumCRC32.Size()
	headers := (w.events + 1) * (wire.HeaderLen + len(eventPrefix))
	return int64(fakeRotate) + w.end - replication.FirstEventOffset + int64(headers)
}

func processTime(b testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func serveCrowd(b testing.TB, l *archive.Log, clients int) (addr string) {
	account, err := NewAccount(testUser, []byte(testPassword), ReplicationSlave)
	if err != nil {
		b.Fatal(err)
	}
	accounts, err := NewAccounts(account)
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Options{Upstream: &fakeUpstream{id: mysql97()}, Log: l, Accounts: accounts, MaxConnections: clients + 1})
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
		<-served
	})
	return ln.Addr().String()
}

// crowd is many sinks, all of which must have come somewhere.
type crowd struct {
	sinks   []*sink.Sink
	target  atomic.Int64 // bytes
	arrived chan struct{}
}

func newCrowd(b testing.TB, addr string, clients int) *crowd {
	c := &crowd{arrived: make(chan struct{}, 1)}
	var running sync.WaitGroup
	for i := range clients {
		dump := wire.BinlogDump{Position: uint32(replication.FirstEventOffset), ServerID: uint32(1000 + i), File: madeUpFile}
		s, err := sink.Open(context.Background(), dial.Options{Addr: addr, User: testUser, Password: testPassword}, dump.Append(nil))
		if err != nil {
			b.Fatal(err)
		}
		c.sinks = append(c.sinks, s)
		running.Go(func() {
			if err := s.Run(4<<10, c.read); err != nil {
				b.Error(err)
			}
		})
	}
	b.Cleanup(func() {
		for _, s := range c.sinks {
			_ = s.Close()
		}
		running.Wait()
	})
	return c
}

func (c *crowd) read(total int64) {
	if total >= c.target.Load() {
		select {
		case c.arrived <- struct{}{}:
		default:
		}
	}
}

// wait returns when every sink has got at least target bytes.
func (c *crowd) wait(b testing.TB, target int64) {
	c.target.Store(target)
	timeout := time.After(time.Minute)
	for i := 0; i < len(c.sinks); {
		if total := c.sinks[i].Total(); total >= target {
			i++
			continue
		}
		select {
		case <-c.arrived:
		case <-timeout:
			b.Fatalf("sink %d has %d bytes of %d", i, c.sinks[i].Total(), target)
		}
	}
}
