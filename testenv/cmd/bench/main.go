// Command bench measures binlogproxy and its peers in the same run, in turn, and prints
// a table. Goals that are not met are reported; they are no failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

// Names of the kinds of files.
const (
	small = "100 B"
	large = "8 kB"
)

type bencher struct {
	binary   string // of this program
	daemon   string // the product's
	root     string // on a file system in memory, where there is one
	disk     string // what is served lies there
	runs     int
	size     int64 // of the files
	only     string
	proxies  uint32 // started so far
	results  []bench.Result
	markdown bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] { // the processes that are measured
		case "receive":
			return receiveOnce(ctx, os.Stdout, args[1], args[2])
		case "syncer":
			return syncOnce(ctx, os.Stdout, args[1])
		case "copy":
			return copyOnce(ctx, os.Stdout, args[1], args[2], args[3])
		case "library":
			return serveLibrary(ctx, os.Stdout, args[1])
		}
	}
	var b bencher
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.runs, "runs", 5, "runs of each measurement; the median counts")
	flags.StringVar(&b.daemon, "binary", "bin/binlogproxy", "`FILE` of the daemon that is measured")
	flags.Int64Var(&b.size, "size", 512<<20, "`BYTES` of the files of a run")
	flags.StringVar(&b.only, "only", "", "only measurements with one of these names: "+strings.Join(names(), ", "))
	flags.BoolVar(&b.markdown, "markdown", false, "print the table as docs/performance.md has it")
	out := flags.String("out", "bench/results.json", "`FILE` for the results")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	err := errors.Join(b.measure(ctx), b.print(), b.write(*out))
	return errors.Join(err, os.RemoveAll(b.root), os.RemoveAll(b.disk))
}

func (b *bencher) prepare(ctx context.Context) (err error) {
	if err := testenv.Setup(ctx); err != nil {
		return err
	}
	if b.binary, err = os.Executable(); err != nil {
		return err
	}
	if b.root, err = os.MkdirTemp("/dev/shm", "binlogproxy-bench-"); err != nil {
		if b.root, err = os.MkdirTemp("", "binlogproxy-bench-"); err != nil {
			return err
		}
	}
	b.disk, err = os.MkdirTemp("", "binlogproxy-bench-")
	return err
}

// perKind are the measurements at a source that serves a kind of file, and alone the others.
var (
	perKind = []struct {
		name string
		run  func(*bencher, context.Context, *source) error
	}{
		{"receive", (*bencher).receive},
		{"disk", (*bencher).receiveOnDisk},
		{"serve", (*bencher).serve},
		{"connect", (*bencher).connect},
	}
	alone = []struct {
		name string
		run  func(*bencher, context.Context) error
	}{
		{"event", (*bencher).event},
		{"start", (*bencher).start},
		{"tail", (*bencher).tail},
		{"cost", (*bencher).cost},
		{"upload", (*bencher).upload},
		{"recovery", (*bencher).recovery},
		{"history", (*bencher).history},
		{"cold", (*bencher).cold},
		{"find", (*bencher).find},
	}
)

// names are those of all measurements.
func names() (all []string) {
	for _, m := range perKind {
		all = append(all, m.name)
	}
	for _, m := range alone {
		all = append(all, m.name)
	}
	return all
}

// measure goes on where one of the measurements fails, and returns the errors of all.
func (b *bencher) measure(ctx context.Context) error {
	kinds := []kind{
		{name: small, rows: 1, valueBytes: 200, size: b.size},
		{name: large, rows: 100, valueBytes: 8000, size: b.size},
	}
	var errs []error
	for _, k := range kinds {
		errs = append(errs, b.measureKind(ctx, k))
	}
	for _, m := range alone {
		if b.wanted(m.name) {
			b.step("%s", m.name)
			errs = append(errs, b.failed(m.name, m.run(b, ctx)))
		}
	}
	return errors.Join(errs...)
}

// failed says at once, and in the error, which measurement an error is of.
func (b *bencher) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", what, err)
	b.step("FAILED: %v", err)
	return err
}

func (b *bencher) measureKind(ctx context.Context, k kind) error {
	var wanted bool
	for _, m := range perKind {
		wanted = wanted || b.wanted(m.name)
	}
	if !wanted {
		return nil
	}
	b.step("composing a file of %s events", k.name)
	s, err := startSource(ctx, b.disk, b.root, k)
	if err != nil {
		return b.failed("a source of "+k.name+" events", err)
	}
	b.step("%d MiB, %d events, %d transactions, %d bytes an event", s.file.Size>>20, s.file.Events, s.file.Transactions, s.file.Size/s.file.Events)
	for _, m := range perKind {
		if b.wanted(m.name) {
			b.step("%s, %s events", m.name, k.name)
			err = errors.Join(err, b.failed(m.name+", "+k.name+" events", m.run(b, ctx, s)))
		}
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(err, s.close(closing))
}

func (b *bencher) wanted(name string) bool {
	return b.only == "" || slices.Contains(strings.Split(b.only, ","), name)
}

func (b *bencher) add(results ...bench.Result) { b.results = append(b.results, results...) }

func (b *bencher) step(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "==> "+format+"\n", args...)
}

func (b *bencher) print() error {
	if b.markdown {
		return bench.WriteMarkdown(os.Stdout, b.results)
	}
	return bench.WriteTable(os.Stdout, b.results)
}

func (b *bencher) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(bench.WriteJSON(f, b.results), f.Close())
}
