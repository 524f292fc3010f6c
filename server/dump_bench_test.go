package server

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
)

// BenchmarkDump serves a log on disk over loopback to a sink that only counts.
func BenchmarkDump(b *testing.B) {
	for _, eventSize := range []int{100, 8000} {
		l, events := madeUpLog(b, 64<<20, eventSize)
		size := l.State().Published.Offset
		for _, mode := range []struct {
			name    string
			request dumpRequest
		}{
			{"file", dumpRequest{file: madeUpFile, pos: 4, nonBlock: true, checksum: checksumCRC32}},
			{"gtid", dumpRequest{gtid: true, set: mustSet(""), nonBlock: true, checksum: checksumCRC32}},
		} {
			b.Run(fmt.Sprintf("event=%dB/by=%s", eventSize, mode.name), func(b *testing.B) {
				b.SetBytes(size)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				dumps := 0
				cpu := time.Duration(0)
				for b.Loop() {
					cpu += dumpToSink(b, l, mode.request, size)
					dumps++
				}
				b.ReportMetric(cpu.Seconds()/(float64(dumps)*float64(size)/(1<<30)), "cpu-s/GiB")
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(dumps*events), "allocs/event")
			})
		}
	}
}

// dumpToSink runs one dump and gives the CPU time of the dump's own thread, which is without the
// sink's. Connecting is not timed.
func dumpToSink(b *testing.B, l *archive.Log, request dumpRequest, size int64) time.Duration {
	b.StopTimer()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	sink, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	nc, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	drained := make(chan int64, 1)
	go func() { drained <- drain(sink) }()
	d := &dump{log: l, request: request, conn: newClientConn(nc, DefaultWriteTimeout), source: mysql97(), progress: &dumpProgress{}}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime(b)
	b.StartTimer()
	if err := d.run(b.Context()); err != nil {
		b.Fatal(err)
	}
	cpu := threadTime(b) - before
	if err := nc.Close(); err != nil {
		b.Fatal(err)
	}
	if n := <-drained; n < size-4 {
		b.Fatalf("%d bytes came of %d", n, size)
	}
	return cpu
}

func threadTime(b *testing.B) time.Duration {
	const ofThread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	if err := syscall.Getrusage(ofThread, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func drain(r io.Reader) (total int64) {
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		total += int64(n)
		if err != nil {
			return total
		}
	}
}
