package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	floodDials   = 10_000
	floodWorkers = 64
)

// flood is what was measured while connections that say nothing came in.
type flood struct {
	held      int           // most at once, by the process's own table of files
	moreBytes int64         // of resident memory
	login     time.Duration // the longest
	logins    int
}

// measureFlood dials, keeps every connection open, and logs in meanwhile.
func measureFlood(ctx context.Context, addr string, pid int) (f flood, err error) {
	if err := allowFiles(floodDials + 1000); err != nil {
		return f, err
	}
	filesBefore, err := openFiles(pid)
	if err != nil {
		return f, err
	}
	memoryBefore, err := resident(pid)
	if err != nil {
		return f, err
	}
	connections := make(chan net.Conn, floodDials)
	defer func() {
		close(connections)
		for nc := range connections {
			_ = nc.Close()
		}
	}()
	work := make(chan struct{}, floodDials)
	for range floodDials {
		work <- struct{}{}
	}
	close(work)
	var dialers sync.WaitGroup
	for range floodWorkers {
		dialers.Go(func() {
			for range work {
				if nc, err := net.DialTimeout("tcp", addr, patience); err == nil {
					connections <- nc
				}
			}
		})
	}
	dialed := make(chan struct{})
	go func() { dialers.Wait(); close(dialed) }()
	for rest := 20; rest > 0; { // and that many logins behind the last dial
		select {
		case <-dialed:
			rest--
		default:
		}
		began := time.Now()
		nc, _, err := logIn(ctx, addr)
		if err != nil {
			<-dialed
			return f, fmt.Errorf("a good login in the flood: %w", err)
		}
		f.login = max(f.login, time.Since(began))
		f.logins++
		files, filesErr := openFiles(pid)
		memory, memoryErr := resident(pid)
		if err := errors.Join(nc.Close(), filesErr, memoryErr); err != nil {
			<-dialed
			return f, err
		}
		f.held = max(f.held, files-filesBefore)
		f.moreBytes = max(f.moreBytes, memory-memoryBefore)
	}
	if got := len(connections); got < floodDials*9/10 {
		return f, fmt.Errorf("only %d of %d connections could be made", got, floodDials)
	}
	return f, nil
}

func allowFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= n {
		return err
	}
	limit.Cur, limit.Max = n, max(limit.Max, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d open files are needed (ulimit -n): %w", n, err)
	}
	return nil
}

func openFiles(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries), err
}

// resident is VmRSS in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}

// watchMemory samples the resident memory until most is called, which returns the
// greatest.
func watchMemory(pid int) (most func() int64) {
	stop, done := make(chan struct{}), make(chan int64)
	go func() {
		var greatest int64
		for {
			if now, err := resident(pid); err == nil { // the end of the process is noticed elsewhere
				greatest = max(greatest, now)
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-stop:
				done <- greatest
				return
			}
		}
	}()
	return func() int64 { close(stop); return <-done }
}
