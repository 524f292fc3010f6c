package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

// A body that breaks off again and again is read to its end, every byte once.
func TestBrokenBodiesGoOnWhereTheyWere(t *testing.T) {
	s := newStore(t)
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	if _, err := s.Put(t.Context(), "a", data, store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	s.Rules(faultstore.Rule{Fault: faultstore.Truncated, Times: 20}, faultstore.Rule{Fault: faultstore.LostRequest, Times: 5, Skip: 10})
	r := store.Retry(s, store.Policy{Sleep: atOnce.Sleep, Attempts: 30}) // more than there are faults
	for _, rg := range []store.Range{{}, {Offset: 1000, Length: 500000}} {
		body, err := r.Get(t.Context(), "a", rg)
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		offset, length, _ := rg.Within(int64(len(data)))
		if !bytes.Equal(read, data[offset:offset+length]) {
			t.Errorf("%+v: %d bytes, which are not those", rg, len(read))
		}
	}
}

// Half of one object and half of its successor would be the worst of answers.
func TestABrokenBodyNeverGoesOnInAnotherObject(t *testing.T) {
	s := newStore(t)
	put := func(b byte) {
		if _, err := s.Put(t.Context(), "a", bytes.Repeat([]byte{b}, 1000), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put('x')
	s.Rules(on(faultstore.Truncated, 1, faultstore.Get))
	body, err := store.Retry(s, atOnce).Get(t.Context(), "a", store.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	put('y')
	if read, err := io.ReadAll(body); !errors.Is(err, store.ErrCondition) || bytes.Contains(read, []byte("y")) {
		t.Errorf("%d bytes, %v", len(read), err)
	}
}

func TestEveryUnconditionalOperationIsTriedAgain(t *testing.T) {
	s := newStore(t)
	r := store.Retry(s, atOnce)
	object, err := r.Put(t.Context(), "a", []byte("x"), store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := r.CreateUpload(t.Context(), "u", store.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, try := range map[string]func() error{
		"put":           func() error { _, err := r.Put(ctx, "a", []byte("x"), store.PutOptions{}); return err },
		"head":          func() error { _, err := r.Head(ctx, "a"); return err },
		"list":          func() error { _, err := r.List(ctx, "", "", 0); return err },
		"delete":        func() error { return r.Delete(ctx, "b") },
		"create upload": func() error { _, err := r.CreateUpload(ctx, "v", store.UploadOptions{}); return err },
		"put part":      func() error { _, err := r.PutPart(ctx, u, 1, []byte("x")); return err },
		"copy part": func() error {
			object, err = s.Head(ctx, "a")
			if err == nil {
				_, err = r.CopyPart(ctx, u, 2, object)
			}
			return err
		},
		"list uploads": func() error { _, err := r.ListUploads(ctx, ""); return err },
		"abort upload": func() error { return r.AbortUpload(ctx, store.Upload{Key: "w", ID: "w"}) },
	} {
		for _, kind := range []error{store.ErrTemporary, store.ErrCredentials} {
			times := 1
			s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: kind, Times: times, Ops: []faultstore.Op{faultstore.Op(name)}})
			if err := try(); err != nil || s.Met(0) != times {
				t.Errorf("%s after %v: %v", name, kind, err)
			}
		}
		s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: store.ErrDenied, Ops: []faultstore.Op{faultstore.Op(name)}})
		if err := try(); !errors.Is(err, store.ErrDenied) || s.Met(0) != 1 {
			t.Errorf("%s: %v after %d attempts", name, err, s.Met(0))
		}
	}
}

// A conditional write that is simply sent again would meet its own success.
func TestConditionalWritesAreNotSimplyTriedAgain(t *testing.T) {
	s := newStore(t)
	s.Rules(on(faultstore.LostResponse, 1, faultstore.Put))
	_, err := store.Retry(s, atOnce).Put(t.Context(), "a", nil, store.PutOptions{If: store.IfAbsent()})
	if !store.Temporary(err) || s.Counts()[faultstore.Put].Requests != 1 {
		t.Errorf("%v after %d requests", err, s.Counts()[faultstore.Put].Requests)
	}
}

func TestWaitsGrowUpToTheirLimitAndAreSpread(t *testing.T) {
	var waits []time.Duration
	policy := store.Policy{
		Attempts: 6, Base: time.Second, Max: 5 * time.Second,
		Random: func() float64 { return 0.5 },
		Sleep:  func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
	}
	s := newStore(t)
	s.Rules(faultstore.Rule{Fault: faultstore.Refused})
	if _, err := store.Retry(s, policy).Head(t.Context(), "a"); !store.Temporary(err) {
		t.Error(err)
	}
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 2500 * time.Millisecond, 2500 * time.Millisecond}
	if len(waits) != len(want) {
		t.Fatalf("%v", waits)
	}
	for i := range want {
		if waits[i] != want[i] {
			t.Errorf("%v, expected %v", waits, want)
			break
		}
	}
}
