package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/dir"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

// atOnce waits for nothing.
var atOnce = store.Policy{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}

func newStore(t *testing.T) *faultstore.Store {
	t.Helper()
	d, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return faultstore.New(d, seed)
}

func on(fault faultstore.Fault, times int, ops ...faultstore.Op) faultstore.Rule {
	return faultstore.Rule{Fault: fault, Times: times, Ops: ops}
}

// A lost answer is followed by a 412 of our own success, which is no defeat.
func TestSwapKnowsItsOwnWriteAgain(t *testing.T) {
	for name, rules := range map[string][]faultstore.Rule{
		"the answer was lost":             {on(faultstore.LostResponse, 1, faultstore.Put)},
		"the request was lost":            {on(faultstore.LostRequest, 2, faultstore.Put)},
		"the answer and the look at it":   {on(faultstore.LostResponse, 1, faultstore.Put), on(faultstore.LostRequest, 2, faultstore.Head)},
		"overloaded, then the answer":     {on(faultstore.Refused, 1, faultstore.Put), on(faultstore.LostResponse, 1, faultstore.Put)},
		"credentials were renewed midway": {{Fault: faultstore.Refused, Kind: store.ErrCredentials, Times: 1, Ops: []faultstore.Op{faultstore.Put}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			s.Rules(rules...)
			object, err := store.Swap(t.Context(), s, "a", []byte("ours"), store.PutOptions{If: store.IfAbsent()}, atOnce)
			if err != nil {
				t.Fatal(err)
			}
			if data, head, err := store.ReadAll(t.Context(), s, "a", 100); err != nil || string(data) != "ours" || head.ETag != object.ETag {
				t.Errorf("%q, %+v, %v", data, head, err)
			}
		})
	}
}

func TestSwapSaysWhenItDoesNotKnow(t *testing.T) {
	s := newStore(t)
	s.Rules(on(faultstore.LostResponse, 1, faultstore.Put), on(faultstore.LostRequest, 0))
	_, err := store.Swap(t.Context(), s, "a", []byte("ours"), store.PutOptions{If: store.IfAbsent()}, atOnce)
	if !errors.Is(err, store.ErrUncertain) || errors.Is(err, store.ErrCondition) {
		t.Errorf("%v", err)
	}
	s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: store.ErrDenied})
	_, err = store.Swap(t.Context(), s, "b", nil, store.PutOptions{}, atOnce)
	if !errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrUncertain) {
		t.Errorf("what was refused at once is not uncertain: %v", err)
	}
}

// Many writers replace one object at once, over a network that loses requests and
// answers, each adding its word to what it has read. Whatever a writer was told that
// it wrote is there for good, once.
func TestNoSwapIsLostBetweenWriters(t *testing.T) {
	s := newStore(t)
	if _, err := s.Put(t.Context(), "log", []byte("|"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	s.Rules(
		faultstore.Rule{Fault: faultstore.LostResponse, Chance: 0.2},
		faultstore.Rule{Fault: faultstore.LostRequest, Chance: 0.1},
		faultstore.Rule{Fault: faultstore.Truncated, Chance: 0.1},
	)
	reader := store.Retry(s, atOnce)
	var mu sync.Mutex
	var written []string
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 20 {
				word := fmt.Sprintf("%d.%d|", w, n)
				data, object, err := store.ReadAll(t.Context(), reader, "log", 1<<20)
				if errors.Is(err, store.ErrCondition) {
					continue // replaced while it was read
				}
				if err != nil {
					t.Error(err)
					return
				}
				_, err = store.Swap(t.Context(), s, "log", append(data, word...), store.PutOptions{If: store.IfMatch(object.ETag)}, atOnce)
				switch {
				case err == nil:
					mu.Lock()
					written = append(written, word)
					mu.Unlock()
				case !errors.Is(err, store.ErrCondition) && !errors.Is(err, store.ErrUncertain):
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	s.Rules()
	data, _, err := store.ReadAll(t.Context(), s, "log", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range written {
		if n := strings.Count(string(data), "|"+word); n != 1 {
			t.Errorf("%s is there %d times", word, n)
		}
	}
	if len(written) < 10 {
		t.Errorf("only %d writes have succeeded", len(written))
	}
}

func startUpload(t *testing.T, s store.Store, data []byte) (store.Upload, []store.Part, store.CompleteOptions) {
	t.Helper()
	u, err := store.StartUpload(t.Context(), s, "file", store.UploadOptions{Sum: true})
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.PutPart(t.Context(), u, 1, data)
	if err != nil {
		t.Fatal(err)
	}
	return u, []store.Part{part}, store.CompleteOptions{Size: part.Size, CRC32C: crc32c.Of(data), If: store.IfAbsent()}
}

func TestFinishedUploadsAreBelievedOnlyWhenSeen(t *testing.T) {
	for name, test := range map[string]struct {
		rules []faultstore.Rule
		want  error
	}{
		"the answer was lost":                 {[]faultstore.Rule{on(faultstore.LostResponse, 1, faultstore.CompleteUpload)}, nil},
		"the request was lost":                {[]faultstore.Rule{on(faultstore.LostRequest, 2, faultstore.CompleteUpload)}, nil},
		"the answer and the look at it":       {[]faultstore.Rule{on(faultstore.LostResponse, 1, faultstore.CompleteUpload), on(faultstore.LostRequest, 2, faultstore.Head)}, nil},
		"a success that was none":             {[]faultstore.Rule{on(faultstore.FalseSuccess, 1, faultstore.CompleteUpload)}, store.ErrCondition},
		"an answer, and nothing can be known": {[]faultstore.Rule{on(faultstore.LostResponse, 1, faultstore.CompleteUpload), on(faultstore.LostRequest, 0)}, store.ErrUncertain},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			u, parts, opts := startUpload(t, s, []byte("the bytes"))
			s.Rules(test.rules...)
			object, err := store.FinishUpload(t.Context(), s, u, parts, opts, atOnce)
			if !errors.Is(err, test.want) {
				t.Fatalf("%v", err)
			}
			if err == nil && (object.CRC32C != opts.CRC32C || object.Size != opts.Size) {
				t.Errorf("%+v", object)
			}
		})
	}
}

// Who comes second must not take the other's object for its own.
func TestAFinishedUploadOfSomebodyElseIsNotOurs(t *testing.T) {
	s := newStore(t)
	data := []byte("the same bytes")
	first, firstParts, opts := startUpload(t, s, data)
	second, secondParts, _ := startUpload(t, s, data)
	if _, err := store.FinishUpload(t.Context(), s, first, firstParts, opts, atOnce); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []faultstore.Fault{faultstore.FalseSuccess, faultstore.LostRequest} {
		s.Rules(on(fault, 1, faultstore.CompleteUpload))
		if _, err := store.FinishUpload(t.Context(), s, second, secondParts, opts, atOnce); !errors.Is(err, store.ErrCondition) {
			t.Errorf("%v", err)
		}
	}
}
