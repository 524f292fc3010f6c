package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
)

// Two writers on such a store would destroy each other's archive.
func TestAStoreThatIgnoresConditionsIsRefused(t *testing.T) {
	for name, rule := range map[string]faultstore.Rule{
		"always":                 {},
		"always on writes":       {Ops: []faultstore.Op{faultstore.Put}},
		"always on completions":  {Ops: []faultstore.Op{faultstore.CompleteUpload}},
		"mostly on writes":       {Ops: []faultstore.Op{faultstore.Put}, Chance: 0.8},
		"only for the last time": {Ops: []faultstore.Op{faultstore.Put}, Skip: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			rule.Fault = faultstore.IgnoredCondition
			s.Rules(rule)
			_, err := store.Probe(t.Context(), s, "main/")
			if !errors.Is(err, store.ErrIgnoresConditions) {
				t.Errorf("%v", err)
			}
			nothingIsLeft(t, s)
		})
	}
}

func nothingIsLeft(t *testing.T, s *faultstore.Store) {
	t.Helper()
	s.Rules()
	page, err := s.List(t.Context(), "", "", 0)
	if err != nil || len(page.Objects) > 0 {
		t.Errorf("left: %v, %v", page.Objects, err)
	}
	if uploads, err := s.ListUploads(t.Context(), ""); err != nil || len(uploads) > 0 {
		t.Errorf("left: %v, %v", uploads, err)
	}
}

func TestEveryRightIsTried(t *testing.T) {
	for _, op := range []faultstore.Op{
		faultstore.Put, faultstore.Get, faultstore.Head, faultstore.List, faultstore.Delete, faultstore.CreateUpload,
		faultstore.CopyPart, faultstore.CompleteUpload, faultstore.AbortUpload, faultstore.ListUploads,
	} {
		s := newStore(t)
		s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: store.ErrDenied, Ops: []faultstore.Op{op}})
		if _, err := store.Probe(t.Context(), s, ""); !errors.Is(err, store.ErrDenied) {
			t.Errorf("without %s: %v", op, err)
		}
	}
}

func TestTheBestWayToSealIsFound(t *testing.T) {
	unable := errors.New("not implemented")
	for want, times := range map[store.Sealing]int{store.SealByPlainCopy: 1, store.SealByUpload: 2} {
		s := newStore(t)
		s.Rules(faultstore.Rule{Fault: faultstore.Refused, Kind: unable, Ops: []faultstore.Op{faultstore.CopyPart}, Times: times})
		found, err := store.Probe(t.Context(), s, "")
		if err != nil || found.Sealing != want {
			t.Errorf("%s: %s, %v", want, found, err)
		}
		nothingIsLeft(t, s)
	}
	s := newStore(t) // what fails for the moment must not become a habit
	s.Rules(on(faultstore.LostRequest, 1, faultstore.CopyPart))
	if _, err := store.Probe(t.Context(), s, ""); !store.Temporary(err) {
		t.Errorf("%v", err)
	}
}

// credulous is a store that checks no sums.
type credulous struct{ store.Store }

func (c credulous) Put(ctx context.Context, key string, body []byte, opts store.PutOptions) (store.Object, error) {
	opts.HasCRC = false
	return c.Store.Put(ctx, key, body, opts)
}

func TestAStoreThatChecksNoSumsIsKnownAsSuch(t *testing.T) {
	found, err := store.Probe(t.Context(), credulous{newStore(t)}, "")
	if err != nil || found.BodySums || !found.WholeSums {
		t.Errorf("%s, %v", found, err)
	}
}
