package archive_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

func findings(t testing.TB, opts archive.Options) []archive.Finding {
	t.Helper()
	var all []archive.Finding
	_, err := archive.Check(t.Context(), opts, archive.CheckOptions{Report: func(f archive.Finding) { all = append(all, f) }})
	must(t, err)
	return all
}

// checkedHistory has complete, cut and open files, anonymous transactions not among them.
func checkedHistory(t testing.TB, seed uint64, checksum replication.Checksum) (*history, archive.Options, string) {
	h := steppingHistory(seed, checksum, 6, 40)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, flushEvery: 7, stopAfter: len(h.files[0].starts)}.runStopped(l))
	_, _, err := l.Resume(anyReach)
	must(t, err)
	must(t, l.Gap("purged", h.files[2].name, h.previous(2)))
	must(t, feeder{history: h, flushEvery: 7}.run(l))
	must(t, l.Close())
	return h, opts, filepath.Join(opts.Dir, l.State().Timeline)
}

func TestCheckFindsEachDamage(t *testing.T) {
	for _, checksum := range []replication.Checksum{replication.ChecksumCRC32, replication.ChecksumNone} {
		t.Run(checksum.String(), func(t *testing.T) {
			seed := rand.Uint64()
			t.Log("seed", seed)
			h, opts, dir := checkedHistory(t, seed, checksum)
			if found := findings(t, opts); len(found) > 0 {
				t.Fatalf("of a sound archive: %+v", found)
			}
			whole := tree(t, opts.Dir)
			rnd := rand.New(rand.NewPCG(seed, 2))
			var names []string
			for _, f := range h.files {
				if _, held := whole[filepath.Join(dir, f.name)]; held {
					names = append(names, filepath.Join(dir, f.name))
				}
			}
			for range 150 {
				damaged, what := damage(t, rnd, whole, names)
				found := map[string]int64{}
				for _, f := range findings(t, opts) {
					found[f.Object] = f.Offset
				}
				for _, d := range damaged {
					at, ok := found[d.object]
					if !ok || d.offset >= 0 && (at > d.offset) {
						t.Fatalf("%s: expected %+v, found %+v", what, d, found)
					}
				}
				if len(found) > len(damaged) {
					t.Fatalf("%s: more than the damage: %+v", what, found)
				}
				for path, content := range whole {
					must(t, os.WriteFile(path, []byte(content), 0o600))
				}
			}
		})
	}
}

type damagedPlace struct {
	object string
	offset int64 // it must be found there or before; -1 for anywhere
}

// damage does one of many kinds to the files, and says what must be found.
func damage(t testing.TB, rnd *rand.Rand, whole map[string]string, names []string) (damaged []damagedPlace, what string) {
	t.Helper()
	open := names[len(names)-1]
	i := rnd.IntN(len(names))
	name := names[i]
	if rnd.IntN(3) == 0 {
		name += ".idx"
	}
	content := []byte(whole[name])
	at := rnd.IntN(len(content))
	write := func(name, content string) { must(t, os.WriteFile(name, []byte(content), 0o600)) }
	dir := filepath.Dir(name)
	switch rnd.IntN(8) {
	case 0, 1:
		content[at] ^= 1 << rnd.IntN(8)
		write(name, string(content))
		return []damagedPlace{{name, int64(at)}}, "flip in " + name
	case 2:
		write(name, string(content[:at]))
		return []damagedPlace{{name, int64(at)}}, "truncation of " + name
	case 3:
		must(t, os.Remove(name))
		return []damagedPlace{{name, -1}}, "deletion of " + name
	case 4:
		other := names[(i+1+rnd.IntN(len(names)-1))%len(names)]
		write(names[i], whole[other])
		write(other, whole[names[i]])
		return []damagedPlace{{names[i], -1}, {other, -1}}, "swap of " + names[i] + " and " + other
	case 5: // a copy from before the last transaction, of the file that grows
		write(open, whole[open][:len(whole[open])-20])
		return []damagedPlace{{open, -1}}, "older copy of " + open
	case 6:
		mark := filepath.Join(filepath.Dir(dir), "MARK")
		content := []byte(whole[mark])
		content[at%len(content)] ^= 1 << rnd.IntN(8)
		write(mark, string(content))
		return []damagedPlace{{mark, -1}}, "flip in MARK"
	}
	document := filepath.Join(filepath.Dir(dir), "source.json")
	if rnd.IntN(2) == 0 {
		document = filepath.Join(dir, "catalog")
	}
	content = []byte(whole[document])
	content[at%(len(content)*3/4)] ^= 1 << rnd.IntN(8)
	write(document, string(content))
	return []damagedPlace{{document, -1}}, "flip in " + document
}

// Documents that are older than what they vouch for are found by what they do not know.
func TestCheckFindsOlderDocuments(t *testing.T) {
	h := smallHistory(81, replication.ChecksumCRC32, 3, 12)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	must(t, feeder{history: h, stopAfter: len(h.files[0].starts) / 2}.runStopped(l))
	must(t, l.Close())
	older := tree(t, opts.Dir)
	l = mustOpen(t, opts)
	_, _, err := l.Resume(anyReach)
	must(t, err)
	must(t, l.Gap("purged", h.files[2].name, h.previous(2)))
	must(t, feeder{history: h}.run(l))
	must(t, l.Close())
	whole := tree(t, opts.Dir)
	dir := filepath.Join(opts.Dir, l.State().Timeline)
	for _, name := range []string{filepath.Join(opts.Dir, "source.json"), filepath.Join(dir, "catalog"), filepath.Join(dir, h.files[0].name+".idx")} {
		must(t, os.WriteFile(name, []byte(older[name]), 0o600))
		if found := findings(t, opts); len(found) == 0 || found[0].Object != name {
			t.Errorf("older %s: %+v", name, found)
		}
		must(t, os.WriteFile(name, []byte(whole[name]), 0o600))
	}
	must(t, os.Remove(filepath.Join(opts.Dir, "MARK")))
	if found := findings(t, opts); len(found) != 1 || found[0].Object != filepath.Join(opts.Dir, "MARK") {
		t.Errorf("without MARK: %+v", found)
	}
}

func TestCheckBesideAWriterFindsNothing(t *testing.T) {
	h := smallHistory(82, replication.ChecksumCRC32, 20, 40)
	opts := diskOptions(t)
	l := mustOpen(t, opts)
	must(t, l.Bind(testIdentity))
	written := make(chan error, 1)
	go func() { written <- errors.Join(feeder{history: h, flushEvery: 3}.run(l), l.Close()) }()
	for done := false; !done; {
		select {
		case err := <-written:
			must(t, err)
			done = true
		default:
		}
		if found := findings(t, opts); len(found) > 0 {
			t.Fatalf("%+v", found)
		}
	}
}

func TestCheckCanBeLimitedAndCutShort(t *testing.T) {
	h, opts, dir := checkedHistory(t, 83, replication.ChecksumCRC32)
	flipByte(t, filepath.Join(dir, h.files[3].name), 100)
	other := func(f archive.File) bool { return f.Name != h.files[3].name }
	found := 0
	done, err := archive.Check(t.Context(), opts, archive.CheckOptions{Want: other, Report: func(archive.Finding) { found++ }})
	if err != nil || found > 0 || done.Files != 5 || done.Bytes != done.BytesAll {
		t.Errorf("%+v, %v", done, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := archive.Check(ctx, opts, archive.CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cut short: %v", err)
	}
}
