package archive_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

func mustOpenReadOnly(t testing.TB, opts archive.Options) *archive.Archive {
	t.Helper()
	a, err := archive.OpenReadOnly(context.Background(), opts)
	must(t, err)
	return a
}

// diskOptions are those of a small log on the disk that records each mark at once.
func diskOptions(t testing.TB) archive.Options {
	return archive.Options{Dir: filepath.Join(t.TempDir(), "source"), BufferSize: 4 << 10, IndexEvery: 2 << 10,
		CompareBack: 1 << 10, MarkEvery: time.Nanosecond, Logger: testLogger(t)}
}

// tree is all that stands in a directory.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var b []byte
			b, err = os.ReadFile(path)
			files[path] = string(b)
		}
		return err
	}))
	return files
}

// What is shown without the lock is what the log itself shows once all is marked, also
// beside it; nothing on the disk changes, and torn tails stay.
func TestReadOnlyShowsWhatIsProvenAndChangesNothing(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		t.Run(checksum.String(), func(t *testing.T) {
			h := smallHistory(51, checksum, 4, 60)
			h.transaction(100, 100)
			opts := diskOptions(t)
			l := mustOpen(t, opts)
			must(t, l.Bind(testIdentity))
			must(t, feeder{history: h, flushEvery: 5}.run(l))
			end := replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))}
			waitPublished(t, l, end)
			must(t, l.Close())
			dir := filepath.Join(opts.Dir, l.State().Timeline)
			appendTo(t, filepath.Join(dir, "catalog"), "0123abcd {\"v\":1,\"sea")
			appendTo(t, filepath.Join(dir, h.file().name), "half an event")
			appendTo(t, filepath.Join(dir, h.file().name+".idx"), "half an entry")
			before := tree(t, opts.Dir)

			a := mustOpenReadOnly(t, opts)
			checkRead(t, a, h)
			if s := a.State(); s.Stopped != nil || s.Published != end || s.Timeline != l.State().Timeline {
				t.Errorf("%+v", s)
			}
			if !a.Executed().Equal(h.executed) {
				t.Errorf("executed %s, expected %s", a.Executed(), h.executed)
			}
			want := l.Files()
			if got := a.Files(); len(got) != len(want) || !reflect.DeepEqual(got[:3], want[:3]) ||
				got[3].Size != want[3].Size || !got[3].GTIDsBefore.Equal(want[3].GTIDsBefore) {
				t.Errorf("files\n%+v, expected\n%+v", got, want)
			}
			if !maps.Equal(tree(t, opts.Dir), before) {
				t.Error("the directory has changed")
			}
		})
	}
}

func appendTo(t testing.TB, name, content string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(content)
	must(t, errors.Join(err, f.Close()))
}

// Whatever a writer is doing, who opens its directory sees a beginning of the history,
// and never less than the time before.
func TestReadOnlyBesideAWriterNeverFails(t *testing.T) {
	h := smallHistory(52, replication.ChecksumCRC32, 30, 40)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	written := make(chan error, 1)
	go func() { written <- errors.Join(feeder{history: h, flushEvery: 3}.run(l), l.Close()) }()
	executed := &replication.GTIDSet{}
	for done := false; !done; {
		select {
		case err := <-written:
			must(t, err)
			done = true
		default:
		}
		a := mustOpenReadOnly(t, opts)
		if s := a.State(); s.Stopped != nil {
			t.Fatal(s.Stopped)
		}
		got := a.Executed()
		if !got.ContainsSet(executed) || !h.executed.ContainsSet(got) {
			t.Fatalf("executed %s after %s", got, executed)
		}
		executed = got
		files := readAllIfAny(t, a)
		for i, f := range h.files[:len(files)] {
			if !bytes.HasPrefix(f.bytes, files[f.name]) || i < len(files)-1 && len(files[f.name]) < len(f.bytes) {
				t.Fatalf("%s: %d bytes that are not the beginning of the source's %d", f.name, len(files[f.name]), len(f.bytes))
			}
		}
	}
	if !executed.Equal(h.executed) {
		t.Errorf("at the end %s, expected %s", executed, h.executed)
	}
}

func readAllIfAny(t testing.TB, a *archive.Archive) map[string][]byte {
	t.Helper()
	if len(a.Files()) == 0 {
		return nil
	}
	return readAll(t, a, replication.Position{})
}

// Of the open file only its head and what stands behind the last entry of its index are
// read; damage before that is left to who reads it.
func TestReadOnlyUsesTheIndexOfTheOpenFile(t *testing.T) {
	h := newHistory(53, replication.ChecksumCRC32)
	h.begin()
	for range 500 { // index entries stand on a boundary often enough
		h.ddl()
	}
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 5}.run(l))
	must(t, l.Close())
	name := filepath.Join(opts.Dir, l.State().Timeline, h.file().name)
	flipByte(t, name, len(h.file().bytes)/2)
	a := mustOpenReadOnly(t, opts)
	if s := a.State(); s.Stopped != nil || s.Published.Offset != int64(len(h.file().bytes)) || !a.Executed().Equal(h.executed) {
		t.Fatalf("%+v, executed %s", s, a.Executed())
	}
	r, err := a.OpenAt(replication.Position{})
	must(t, err)
	defer r.Close()
	for err == nil {
		_, err = r.Next()
	}
	var damage *archive.DamageError
	if !errors.As(err, &damage) {
		t.Fatalf("no damage found: %v", err)
	}

	must(t, os.Remove(name+".idx"))
	a = mustOpenReadOnly(t, opts) // all of the file has to be read
	if s := a.State(); !errors.As(s.Stopped, &damage) || s.Published.Offset > damage.Offset || s.Published.Offset == 0 {
		t.Errorf("without an index: %+v", s)
	}
}

func flipByte(t testing.TB, name string, at int) {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	b[at] ^= 1
	must(t, os.WriteFile(name, b, 0o600))
}

// A process that dies between the begin of the file behind a gap and the sealing of the
// cut one leaves that for the next start; a reader meets the gap all the same.
func TestGapStaysWhereTheCutFileIsNotSealed(t *testing.T) {
	h := smallHistory(54, replication.ChecksumCRC32, 3, 12)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 4, stopAfter: len(h.files[0].starts) / 2}.runStopped(l))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	must(t, l.Gap("purged by the source", h.files[1].name, h.previous(1)))
	must(t, feeder{history: h, flushEvery: 4}.run(l))
	must(t, l.Close())
	dropSealed(t, filepath.Join(opts.Dir, l.State().Timeline, "catalog"))

	meets := func(a opener) {
		t.Helper()
		r, err := a.OpenAt(replication.Position{})
		must(t, err)
		defer r.Close()
		for err == nil {
			_, err = r.Next()
		}
		var gap *archive.GapError
		if !errors.As(err, &gap) {
			t.Errorf("no gap: %v", err)
		}
	}
	meets(mustOpenReadOnly(t, opts))
	l = mustOpen(t, opts)
	meets(l)
	must(t, l.Close())
	a := mustOpenReadOnly(t, opts)
	meets(a)
	if f := a.Files()[0]; f.Cut == nil || !f.Sealed {
		t.Errorf("%+v", f)
	}
}

// dropSealed takes the records of sealed files out of a catalog.
func dropSealed(t testing.TB, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	records, _, err := catalog.DecodeRecords(b)
	must(t, err)
	b = b[:0]
	for _, r := range records {
		if r.Sealed == nil {
			b, err = r.Append(b)
			must(t, err)
		}
	}
	must(t, os.WriteFile(name, b, 0o600))
}

func TestReadOnlyNamesDamage(t *testing.T) {
	h := smallHistory(55, replication.ChecksumCRC32, 3, 20)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 4}.run(l))
	must(t, l.Close())
	dir := filepath.Join(opts.Dir, l.State().Timeline)
	whole := tree(t, opts.Dir)
	for name, damage := range map[string]func(){
		"source.json": func() { flipByte(t, filepath.Join(opts.Dir, "source.json"), 100) },
		"catalog":     func() { flipByte(t, filepath.Join(dir, "catalog"), 20) },
		h.file().name: func() { must(t, os.Truncate(filepath.Join(dir, h.file().name), 300)) },
		h.files[1].name: func() {
			dropSealed(t, filepath.Join(dir, "catalog"))
			must(t, os.Remove(filepath.Join(dir, h.files[1].name)))
		},
		"catalog's tail": func() { dropLines(t, filepath.Join(dir, "catalog"), 2) },
	} {
		damage()
		a, err := archive.OpenReadOnly(context.Background(), opts)
		if err == nil {
			err = a.State().Stopped
		}
		var found *archive.DamageError
		if !errors.As(err, &found) {
			t.Errorf("%s: %v", name, err)
		}
		for path, content := range whole {
			must(t, os.WriteFile(path, []byte(content), 0o600))
		}
	}
	if s := mustOpenReadOnly(t, opts).State(); s.Stopped != nil {
		t.Error(s.Stopped)
	}
}

// dropLines takes all but the first n lines from a file.
func dropLines(t testing.TB, name string, n int) {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	lines := bytes.SplitAfter(b, []byte{'\n'})
	must(t, os.WriteFile(name, bytes.Join(lines[:n], nil), 0o600))
}

func TestReadOnlyOfWhatIsNotThere(t *testing.T) {
	opts := archive.Options{Dir: filepath.Join(t.TempDir(), "nothing")}
	if _, err := archive.OpenReadOnly(context.Background(), opts); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	must(t, os.Mkdir(opts.Dir, 0o700))
	if a := mustOpenReadOnly(t, opts); len(a.Files()) != 0 {
		t.Errorf("files %v", a.Files())
	}
}

// A file that went to the bucket, before or after the archive was opened, is no damage.
func TestReadOnlyTellsEvictedFilesFromLostOnes(t *testing.T) {
	h := smallHistory(56, replication.ChecksumCRC32, 4, 5)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 4}.run(l))
	must(t, l.Close())
	dir := filepath.Join(opts.Dir, l.State().Timeline)
	early := mustOpenReadOnly(t, opts)
	line, err := catalog.Record{Stored: &catalog.Stored{Seq: 1, ETag: "e"}}.Append(nil)
	must(t, err)
	appendTo(t, filepath.Join(dir, "catalog"), string(line))
	must(t, os.Remove(filepath.Join(dir, h.files[0].name)))
	must(t, os.Remove(filepath.Join(dir, h.files[1].name)))
	late := mustOpenReadOnly(t, opts)
	for when, a := range map[string]*archive.Archive{"before": early, "behind": late} {
		if _, err := a.OpenAt(replication.Position{File: h.files[0].name, Offset: 4}); !errors.Is(err, archive.ErrNotLocal) {
			t.Errorf("opened %s: %v", when, err)
		}
		var damage *archive.DamageError
		if _, err := a.OpenAt(replication.Position{File: h.files[1].name, Offset: 4}); !errors.As(err, &damage) {
			t.Errorf("opened %s, of a lost file: %v", when, err)
		}
	}
	if f := late.Files(); f[0].Local || !f[0].Stored || f[1].Local || f[1].Stored || !f[2].Local {
		t.Errorf("%+v", f)
	}
}
