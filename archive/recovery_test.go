package archive_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/memfs"
)

// runUntil feeds a log and gives the file system as the power failure, or with
// seed 1 the death of the process, before operation n leaves it, and what was
// promised by then.
func runUntil(t *testing.T, h *history, opts archive.Options, n int, seed uint64) (*memfs.FS, promise) {
	t.Helper()
	fsys := memfs.New()
	opts.FS = fsys
	var left *memfs.FS
	var p promise
	l := mustOpen(t, opts)
	fsys.SetInjector(func(op memfs.Op) memfs.Fault {
		if op.N == n {
			p = promiseOf(l)
			if left = fsys.CrashClone(seed); seed == 1 {
				left = fsys.Clone()
			}
		}
		return memfs.Fault{}
	})
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 5}.run(l))
	must(t, l.Close())
	if left == nil {
		p = promiseOf(l)
		left = fsys.CrashClone(seed)
	}
	return left, p
}

// Recovery is killed at each of its operations, by power failure or death of the
// process; the next one comes to the same end.
func TestRecoveryCanBeKilledAndRepeated(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		t.Run(checksum.String(), func(t *testing.T) {
			t.Parallel()
			killRecovery(t, smallHistory(7, checksum, 2, 10))
		})
	}
}

func killRecovery(t *testing.T, h *history) {
	opts := memOptions(nil)
	opts.MarkEvery = time.Hour // much is left to recovery
	for n := 12; n < 60; n += 6 {
		for seed := uint64(1); seed < 4; seed++ {
			left, p := runUntil(t, h, opts, n, seed)
			want, err := checkPromise(left.Clone(), opts, h, p, false)
			if err != nil {
				t.Fatalf("operation %d, seed %d: %v", n, seed, err)
			}
			left.SetInjector(func(op memfs.Op) memfs.Fault {
				for again := range uint64(3) {
					clone := left.CrashClone(again)
					if again == 1 {
						clone = left.Clone()
					}
					got, err := checkPromise(clone, opts, h, p, again == 1)
					// What only the page cache held may go with the power.
					if err == nil && (seed != 1 || again == 1) && (got.published != want.published || !got.executed.Equal(want.executed)) {
						err = fmt.Errorf("published %v, expected %v", got.published, want.published)
					}
					if err != nil {
						t.Errorf("operation %d, seed %d, killed before %v of recovery (%d): %v", n, seed, op, again, err)
					}
				}
				return memfs.Fault{}
			})
			opts := opts
			opts.FS = left
			l := mustOpen(t, opts)
			published := promiseOf(l)
			must(t, l.Close())
			left.SetInjector(nil)
			// What recovery published is durable: it was in the page cache only.
			if _, err := checkPromise(left.CrashClone(0), opts, h, published, true); err != nil {
				t.Errorf("operation %d, seed %d, power failure after recovery: %v", n, seed, err)
			}
		}
	}
}

// markedLog gives a closed log's disk, whose MARK stands at the end of the history.
func markedLog(t testing.TB, h *history) (*memfs.FS, archive.Options) {
	t.Helper()
	fsys := memfs.New()
	opts := memOptions(fsys)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 5}.run(l))
	must(t, l.Close())
	return fsys, opts
}

// Garbage, zeros or a part of an event behind the mark is cut, wherever it begins;
// not a byte before it changes.
func TestTornTailIsCut(t *testing.T) {
	h := smallHistory(3, replication.ChecksumCRC32, 1, 2)
	mark := int64(len(h.file().bytes))
	for range 40 {
		h.transaction(300, 100)
	}
	all := h.file().bytes
	fsys, opts := markedLogOf(t, h, mark)
	tails := map[string][]byte{"cut": nil, "zeros": make([]byte, 700), "garbage": h.filler(700)}
	for end := mark; end < min(mark+8<<10, int64(len(all))); end++ {
		tails["garbage"][0] = ^all[end]
		for kind, tail := range tails {
			if kind != "cut" && end%23 != 0 {
				continue
			}
			clone := fsys.Clone()
			name := memDir + "/" + timelineName + "/" + h.file().name
			must(t, clone.Edit(name, func([]byte) []byte { return append(append([]byte(nil), all[:end]...), tail...) }))
			opts := opts
			opts.FS = clone
			l := mustOpen(t, opts)
			state := l.State()
			wantDurable, wantPublished := lastEnds(h.file(), end)
			if state.Stopped != nil || state.Durable.Offset != wantDurable || state.Published.Offset != wantPublished {
				t.Fatalf("%s at %d: %+v, expected durable %d, published %d", kind, end, state, wantDurable, wantPublished)
			}
			if cut := l.Stats().CutBytes; cut != end+int64(len(tail))-wantDurable {
				t.Fatalf("%s at %d: %d bytes reported as cut", kind, end, cut)
			}
			if end%101 == 0 {
				must(t, finishHistory(l, h))
				must(t, compareDisk(clone, l, h))
			}
			must(t, l.Close())
		}
	}
}

const timelineName = "0001-cafe0102-0304-4000-8000-000000000001"

// markedLogOf writes the first size bytes of the history's only file.
func markedLogOf(t *testing.T, h *history, size int64) (*memfs.FS, archive.Options) {
	t.Helper()
	short := *h
	short.files = []*binlogFile{{name: h.file().name, bytes: h.file().bytes[:size]}}
	return markedLog(t, &short)
}

// lastEnds gives the last event's and the last transaction's end up to limit.
func lastEnds(f *binlogFile, limit int64) (event, boundary int64) {
	event, boundary = 4, 4
	for i, start := range f.starts {
		end := int64(len(f.bytes))
		if i+1 < len(f.starts) {
			end = int64(f.starts[i+1])
		}
		if end > limit {
			break
		}
		event = end
		switch t := replication.EventType(f.bytes[start+4]); {
		case t == replication.XIDEvent, t == replication.FormatDescriptionEvent, t == replication.PreviousGTIDsEvent,
			t == replication.QueryEvent && strings.Contains(string(f.bytes[start:end]), "CREATE"):
			boundary = end
		}
	}
	return event, boundary
}

// Each flipped byte before the mark is noticed and named, nothing is cut, and what
// stands before it is served.
func TestFlippedByteBelowMarkIsNamed(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		h := smallHistory(5, checksum, 1, 12)
		fsys, opts := markedLog(t, h)
		name := memDir + "/" + timelineName + "/" + h.file().name
		for at := 0; at < len(h.file().bytes); at += 13 {
			clone := fsys.Clone()
			must(t, clone.Edit(name, func(b []byte) []byte { b[at] ^= 0x10; return b }))
			opts := opts
			opts.FS = clone
			l := mustOpen(t, opts)
			var damage *archive.DamageError
			if !errors.As(l.State().Stopped, &damage) {
				t.Fatalf("%v: flipped byte %d: stopped with %v", checksum, at, l.State().Stopped)
			}
			// Damage to the FORMAT_DESCRIPTION, which declares the checksums, may show behind it.
			if at > h.file().starts[1] && int64(at) < damage.Offset || damage.File != name && damage.File != name+".idx" {
				t.Fatalf("flipped byte %d is reported as %v", at, damage)
			}
			if _, _, err := l.Resume(anyReach); !errors.Is(err, damage) {
				t.Fatalf("Resume: %v", err)
			}
			if published := l.State().Published.Offset; published > int64(at) {
				t.Fatalf("flipped byte %d, published to %d", at, published)
			}
			must(t, l.Close())
			b, err := clone.ReadFile(name)
			must(t, err)
			if len(b) != len(h.file().bytes) {
				t.Fatalf("flipped byte %d: %d bytes left", at, len(b))
			}
		}
		clone := fsys.Clone()
		must(t, clone.Edit(name, func(b []byte) []byte { return b[:len(b)-1] }))
		opts.FS = clone
		l := mustOpen(t, opts)
		var damage *archive.DamageError
		if !errors.As(l.State().Stopped, &damage) {
			t.Fatalf("shortened file: %v", l.State().Stopped)
		}
		must(t, l.Close())
	}
}

// A flipped bit of the log's own files is never accepted.
func TestFlippedBitOfMetadata(t *testing.T) {
	h := smallHistory(6, replication.ChecksumNone, 3, 6)
	fsys, opts := markedLog(t, h)
	timeline := memDir + "/" + timelineName + "/"
	for _, name := range []string{memDir + "/source.json", timeline + "catalog", timeline + h.file().name + ".idx"} {
		content, err := fsys.ReadFile(name)
		must(t, err)
		for at := 0; at < len(content); at += 3 {
			clone := fsys.Clone()
			must(t, clone.Edit(name, func(b []byte) []byte { b[at] ^= 1 << (at % 8); return b }))
			opts := opts
			opts.FS = clone
			l, err := archive.Open(context.Background(), opts)
			if err == nil {
				err = l.State().Stopped
				lastLine := strings.HasSuffix(name, "catalog") && at > strings.LastIndex(string(content[:len(content)-1]), "\n")
				if err == nil && lastLine {
					// The last record is taken for torn; what it said is found out again.
					_, err = checkPromise(clone.Clone(), opts, h, promiseOf(l), true)
					if err == nil {
						err = errors.New("repaired")
					}
				}
				must(t, l.Close())
			}
			if err == nil {
				t.Fatalf("%s: flipped bit %d of byte %d was accepted", name, at%8, at)
			}
		}
	}
}

// Of MARK one slot is enough where events carry checksums; where they do not, a
// damaged slot is damage.
func TestDamagedMark(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		h := smallHistory(6, checksum, 1, 6)
		fsys, opts := markedLog(t, h)
		for at := 0; at < 1024; at += 5 {
			clone := fsys.Clone()
			must(t, clone.Edit(memDir+"/MARK", func(b []byte) []byte { b[at] ^= 1; return b }))
			opts := opts
			opts.FS = clone
			l := mustOpen(t, opts)
			if stopped := l.State().Stopped != nil; stopped != (checksum == replication.ChecksumNone) {
				t.Fatalf("%v: byte %d: stopped with %v", checksum, at, l.State().Stopped)
			}
			if checksum == replication.ChecksumCRC32 && l.State().Durable.Offset != int64(len(h.file().bytes)) {
				t.Fatalf("byte %d: durable %v", at, l.State().Durable)
			}
			must(t, l.Close())
		}
	}
}
