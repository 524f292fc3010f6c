package bucket

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

const ttl = 30 * time.Second

// during is a bucket whose clock lets f happen at the n-th wait.
func during(s store.Store, n int, f func()) (*Bucket, *clock) {
	c := newClock()
	sleep := func(ctx context.Context, d time.Duration) error {
		if n--; n == 0 {
			f()
		}
		return c.Sleep(ctx, d)
	}
	return New(s, "main", Options{Now: c.Now, Sleep: sleep, Capabilities: capabilities}), c
}

func TestAnEpochIsGivenOnce(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	b := newBucket(s)
	epoch := uint64(0)
	next := func(id string) *Lease {
		t.Helper()
		l := must[*Lease](t)(b.Acquire(ctx, Holder{ID: id}, ttl))
		if l.Epoch() != epoch+1 {
			t.Errorf("epoch %d follows on %d", l.Epoch(), epoch)
		}
		epoch = l.Epoch()
		return l
	}
	next("a")
	l := next("a") // the same data directory: its other process is dead
	if err := errors.Join(l.Renew(ctx), l.Release(ctx), l.Release(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := l.Renew(ctx); !errors.Is(err, ErrFenced) {
		t.Error("a released lease is renewed:", err)
	}
	l = next("b")
	w, _, err := b.TakeOver(ctx, l)
	if err == nil {
		err = w.Begin(ctx, source)
	}
	// An operator has deleted the lease: source.json still knows the epochs.
	if err := errors.Join(err, s.Delete(ctx, b.LeaseKey())); err != nil {
		t.Fatal(err)
	}
	next("c")
}

func TestALivingWriterIsLeftAlone(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	l := must[*Lease](t)(newBucket(s).Acquire(ctx, Holder{ID: "a", Name: "host-a, process 7"}, ttl))
	b, c := during(s, 2, func() {
		if err := l.Renew(ctx); err != nil {
			t.Error(err)
		}
	})
	began := c.Now()
	_, err := b.Acquire(ctx, Holder{ID: "b"}, ttl)
	if held := (*HeldError)(nil); !errors.As(err, &held) || held.Epoch != 1 || !strings.Contains(err.Error(), "already has a writer: host-a, process 7, since 2026-11-30T12:00:00Z") {
		t.Error(err)
	}
	if waited := c.Now().Sub(began); waited > ttl {
		t.Errorf("it took %s to see that", waited)
	}
	if err := l.Renew(ctx); err != nil {
		t.Error(err)
	}
}

// The writer's clock is ten years off, which matters to nobody.
func TestALeaseExpiresByTheClockOfWhoWatches(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	old := newBucket(s)
	old.opts.Now = func() time.Time { return time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC) }
	l := must[*Lease](t)(old.Acquire(ctx, Holder{ID: "a"}, ttl))
	b, c := during(s, -1, nil)
	began := c.Now()
	next := must[*Lease](t)(b.Acquire(ctx, Holder{ID: "b", Name: "host-b"}, ttl))
	if waited := c.Now().Sub(began); waited < ttl || waited > 2*ttl || next.Epoch() != 2 {
		t.Errorf("epoch %d after %s", next.Epoch(), waited)
	}
	for range 2 {
		if err := l.Renew(ctx); !errors.Is(err, ErrFenced) || !strings.Contains(err.Error(), "host-b") {
			t.Error("the loser:", err)
		}
	}
	if err := l.Release(ctx); err != nil {
		t.Error(err)
	}
	if err := next.Renew(ctx); err != nil {
		t.Error("the loser's release was taken for the winner's:", err)
	}
}

func TestAReleasedLeaseIsNotWaitedFor(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	l := must[*Lease](t)(newBucket(s).Acquire(ctx, Holder{ID: "a"}, ttl))
	b, c := during(s, 1, func() {
		if err := l.Release(ctx); err != nil {
			t.Error(err)
		}
	})
	began := c.Now()
	must[*Lease](t)(b.Acquire(ctx, Holder{ID: "b"}, ttl))
	if waited := c.Now().Sub(began); waited >= ttl {
		t.Errorf("waited %s", waited)
	}
}

// A store that cannot be seen proves nothing of the writer behind it.
func TestAnUnreachableStoreDoesNotLetALeaseExpire(t *testing.T) {
	f, ctx := faultstore.New(newDir(t), 1), t.Context()
	l := must[*Lease](t)(newBucket(f).Acquire(ctx, Holder{ID: "a"}, ttl))
	b, c := during(f, 1, func() { f.Rules(faultstore.Rule{Fault: faultstore.LostRequest, Times: 60}) })
	began := c.Now()
	next := must[*Lease](t)(b.Acquire(ctx, Holder{ID: "b"}, ttl))
	if f.Met(0) != 60 || next.Epoch() != 2 || c.Now().Sub(began) < ttl {
		t.Errorf("epoch %d after %s and %d lost requests", next.Epoch(), c.Now().Sub(began), f.Met(0))
	}
	if err := l.Renew(ctx); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
}

// Answers get lost, once or for good: the holder stays the holder.
func TestARenewalOfUnknownOutcomeIsOurs(t *testing.T) {
	f, ctx := faultstore.New(newDir(t), 1), t.Context()
	l := must[*Lease](t)(newBucket(f).Acquire(ctx, Holder{ID: "a"}, ttl))
	f.Rules(faultstore.Rule{Fault: faultstore.LostResponse, Ops: []faultstore.Op{faultstore.Put}, Times: 1})
	if err := l.Renew(ctx); err != nil || f.Met(0) != 1 {
		t.Fatal(err)
	}
	f.Rules(faultstore.Rule{Fault: faultstore.LostResponse, Ops: []faultstore.Op{faultstore.Put}, Times: 1}, faultstore.Rule{Fault: faultstore.LostRequest})
	if err := l.Renew(ctx); !errors.Is(err, store.ErrUncertain) {
		t.Fatal(err)
	}
	f.Rules()
	if err := l.Renew(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestTheLeaseOfALaterVersionIsRefused(t *testing.T) {
	s, ctx := newDir(t), t.Context()
	b := newBucket(s)
	for text, want := range map[string]string{
		"{\"format\": 2, \"news\": true}\n": "format version 2",
		"{\"format\": 1}\n":                 "damaged object main/lease.json",
		"":                                  "damaged object main/lease.json",
	} {
		if _, err := s.Put(ctx, b.LeaseKey(), []byte(text), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Acquire(ctx, Holder{ID: "a"}, ttl); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
