package faultstore_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/dir"
	"github.com/binlogproxy/binlogproxy/archive/store/storetest"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

func newStore(t testing.TB) *faultstore.Store {
	t.Helper()
	d, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return faultstore.New(d, 1)
}

func put(t *testing.T, s store.Store, key, text string) store.Object {
	t.Helper()
	object, err := s.Put(t.Context(), key, []byte(text), store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func TestWithoutFaultsItIsLikeAnyStore(t *testing.T) {
	storetest.Run(t, storetest.Everything, func(t testing.TB) store.Store { return newStore(t) })
}

func TestRequestsMeetTheirFault(t *testing.T) {
	s := newStore(t)
	first := put(t, s, "a", "first")
	s.Rules(
		faultstore.Rule{Fault: faultstore.LostRequest, Ops: []faultstore.Op{faultstore.Put}, Times: 1},
		faultstore.Rule{Fault: faultstore.LostResponse, Ops: []faultstore.Op{faultstore.Put}, Times: 1},
		faultstore.Rule{Fault: faultstore.Refused, Kind: store.ErrCredentials, Ops: []faultstore.Op{faultstore.Put}, Times: 1},
		faultstore.Rule{Fault: faultstore.IgnoredCondition, Times: 1},
		faultstore.Rule{Fault: faultstore.FalseSuccess, Ops: []faultstore.Op{faultstore.Put}, Times: 1},
	)
	for i, want := range []struct {
		kind error
		text string // what is there afterwards
	}{{store.ErrTemporary, "first"}, {store.ErrTemporary, "1"}, {store.ErrCredentials, "1"}, {nil, "3"}, {nil, "3"}, {store.ErrCondition, "3"}} {
		cond := store.IfMatch(first.ETag)
		_, err := s.Put(t.Context(), "a", []byte{byte('0' + i)}, store.PutOptions{If: cond})
		if !errors.Is(err, want.kind) {
			t.Errorf("%d: %v", i, err)
		}
		data, _, err := store.ReadAll(t.Context(), s, "a", 10)
		if err != nil || string(data) != want.text {
			t.Errorf("%d: %q, %v", i, data, err)
		}
	}
	if s.Met(1) != 1 {
		t.Errorf("a rule with one time was met %d times", s.Met(1))
	}
	counts := s.Counts()
	if c := counts[faultstore.Put]; c != (faultstore.Count{Requests: 7, Failed: 4, Bytes: 11}) {
		t.Errorf("%+v", c)
	}
	if c := counts[faultstore.Get]; c != (faultstore.Count{Requests: 6, Bytes: 10}) {
		t.Errorf("%+v", c)
	}
}

func TestAnswersAreSpoiled(t *testing.T) {
	s := newStore(t)
	old := put(t, s, "a", "the old one")
	put(t, s, "a", "the new one")
	put(t, s, "b", "another")
	read := func() (string, error) {
		body, err := s.Get(t.Context(), "a", store.Range{})
		if err != nil {
			return "", err
		}
		data, err := io.ReadAll(body)
		return string(data), errors.Join(err, body.Close())
	}
	s.Rules(faultstore.Rule{Fault: faultstore.Truncated})
	if text, err := read(); !errors.Is(err, io.ErrUnexpectedEOF) || len(text) >= len("the new one") {
		t.Errorf("%q, %v", text, err)
	}
	s.Rules(faultstore.Rule{Fault: faultstore.Flipped})
	if text, err := read(); !errors.Is(err, store.ErrBadSum) || text == "the new one" || len(text) != len("the new one") {
		t.Errorf("%q, %v", text, err)
	}
	s.Rules(faultstore.Rule{Fault: faultstore.StaleETag})
	if head, err := s.Head(t.Context(), "a"); err != nil || head.ETag != old.ETag {
		t.Errorf("%+v, %v", head, err)
	}
	s.Rules(faultstore.Rule{Fault: faultstore.Holes})
	seen := map[int]bool{}
	for range 100 {
		page, err := s.List(t.Context(), "", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		seen[len(page.Objects)] = true
	}
	if !seen[0] || !seen[1] || !seen[2] {
		t.Errorf("lengths of listings: %v", seen)
	}
}

func TestDamageIsSeenByReaders(t *testing.T) {
	s := newStore(t)
	before := put(t, s, "a", "aaaa")
	put(t, s, "b", "bbbb")
	read := func(key string) string {
		body, err := s.Get(t.Context(), key, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, rot := range []struct {
		change      faultstore.Change
		end         string // of the object, behind its first byte
		err, endErr error  // of reading all of it, and its end
	}{
		{faultstore.FlipBit(8), "\x60aa", store.ErrBadSum, nil},
		{faultstore.Truncate(3), "aa", io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
	} {
		s.Rot("a", rot.change)
		if _, _, err := store.ReadAll(t.Context(), s, "a", 10); !errors.Is(err, rot.err) {
			t.Errorf("%v", err)
		}
		body, err := s.Get(t.Context(), "a", store.Range{Offset: 1})
		if err != nil {
			t.Fatal(err)
		}
		end, err := io.ReadAll(body)
		if string(end) != rot.end || !errors.Is(err, rot.endErr) {
			t.Errorf("%q, %v", end, err)
		}
		body.Close()
	}
	if head, err := s.Head(t.Context(), "a"); err != nil || head.ETag != before.ETag || head.Size != 4 {
		t.Errorf("%+v, %v", head, err)
	}
	restore, err := faultstore.Snapshot(t.Context(), s, "b")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "AAAA")
	if err := faultstore.Exchange(t.Context(), s, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if read("a") != "bbbb" || read("b") != "AAAA" {
		t.Errorf("%q, %q", read("a"), read("b"))
	}
	if err := restore(t.Context(), "b"); err != nil || read("b") != "bbbb" {
		t.Errorf("%q, %v", read("b"), err)
	}
	if err := faultstore.Rewrite(t.Context(), s, "b", faultstore.FlipBit(math.MaxInt64)); err != nil || read("b") == "bbbb" {
		t.Errorf("%q, %v", read("b"), err)
	}
}

// The same seed chooses the same requests.
func TestChanceFollowsTheSeed(t *testing.T) {
	met := func(seed uint64) (list []int) {
		s := faultstore.New(newStore(t), seed)
		s.Rules(faultstore.Rule{Fault: faultstore.Refused, Chance: 0.3})
		for i := range 200 {
			if _, err := s.Head(t.Context(), "a"); store.Temporary(err) {
				list = append(list, i)
			}
		}
		return list
	}
	first, second := met(7), met(8)
	if !slices.Equal(first, met(7)) || slices.Equal(first, second) || len(first) < 30 || len(first) > 90 {
		t.Errorf("%v\n%v", first, second)
	}
}

// Many at once get no more than the bandwidth. (That it takes at least so long, and
// not how long, so that no slow machine fails it.)
func TestBandwidthIsShared(t *testing.T) {
	s := newStore(t)
	put(t, s, "a", string(bytes.Repeat([]byte("x"), 100<<10)))
	s.Slow(10*time.Millisecond, 1<<20)
	begin := time.Now()
	done := make(chan error)
	for range 3 {
		go func() {
			_, _, err := store.ReadAll(t.Context(), s, "a", math.MaxInt64)
			done <- err
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if took, least := time.Since(begin), 300*time.Second/1024; took < least {
		t.Errorf("%s, at least %s", took, least)
	}
}
