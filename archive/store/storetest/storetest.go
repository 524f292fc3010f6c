// Package storetest has the tests that every implementation of store.Store must
// pass. What it promises to readers of an archive rests on them.
package storetest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Everything is what a store can do that can do everything.
var Everything = store.Capabilities{Sealing: store.SealByCopy, BodySums: true, WholeSums: true, ListUploads: true}

// Run runs all of them, each on a store of its own that open makes, and that has
// nothing in it. The probe must find what the store can do.
func Run(t *testing.T, can store.Capabilities, open func(testing.TB) store.Store) {
	tests := map[string]func(*testing.T, store.Store){
		"AnObjectIsReadAsItWasWritten":             readsWhatWasWritten,
		"RangesAreTheBytesAskedFor":                ranges,
		"AReadIsPinnedByItsETag":                   pinned,
		"WhatIsMissingIsNotFound":                  missing,
		"WrongSumsAreRefused":                      wrongSums,
		"PutIfAbsentNeverReplaces":                 ifAbsent,
		"PutIfMatchReplacesOnlyThat":               ifMatch,
		"OneOfManyWritersWins":                     oneWins,
		"MetadataComesBack":                        metadata,
		"ListsAreInByteOrderAndComplete":           lists,
		"KeysOfOthersAreSeenByPrefixOnly":          prefixes,
		"BadKeysAreRefused":                        badKeys,
		"AnUploadIsItsPartsInOrder":                upload,
		"ACopiedPartIsItsOriginal":                 func(t *testing.T, s store.Store) { copyParts(t, s, can.Sealing) },
		"AChangedOriginalIsNotCopied":              copyChanged,
		"AWrongWholeSumIsRefusedAndCanBeCorrected": wrongWholeSum,
		"CompletionsKeepConditions":                completeConditions,
		"OneOfManyCompletionsWins":                 oneCompletionWins,
		"AnUploadIsListedUntilItEnds":              listUploads,
		"AnAbortedUploadIsGone":                    aborted,
		"WritesAreSureOfTheirOutcome":              swap,
		"AStoreThatKeepsItsPromisesPassesTheProbe": func(t *testing.T, s store.Store) { probe(t, s, can) },
		"ACancelledContextEndsACall":               cancelled,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// bytesOf are n bytes that depend on seed.
func bytesOf(seed uint64, n int) []byte {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = random.Read(b) // never fails
	return b
}

func put(t *testing.T, s store.Store, key string, data []byte, opts store.PutOptions) store.Object {
	t.Helper()
	object, err := s.Put(t.Context(), key, data, opts)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func get(t *testing.T, s store.Store, key string, r store.Range) ([]byte, *store.Body) {
	t.Helper()
	body, err := s.Get(t.Context(), key, r)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	data, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	if int64(len(data)) != body.Length {
		t.Errorf("%+v: %d bytes, announced %d", r, len(data), body.Length)
	}
	return data, body
}

func wantData(t *testing.T, s store.Store, key string, want []byte) {
	t.Helper()
	if data, _ := get(t, s, key, store.Range{}); !bytes.Equal(data, want) {
		t.Errorf("%s has %d bytes, which are not the %d expected", key, len(data), len(want))
	}
}

func wantError(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%v\nexpected: %v", err, kind)
	}
}

// race runs write n times at once and returns how many succeeded; the others must
// have met the condition.
func race(t *testing.T, n int, write func(i int) error) (winners []int) {
	t.Helper()
	results := make([]chan error, n)
	start := make(chan struct{})
	for i := range n {
		results[i] = make(chan error, 1)
		go func() {
			<-start
			results[i] <- write(i)
		}()
	}
	close(start)
	for i, result := range results {
		switch err := <-result; {
		case err == nil:
			winners = append(winners, i)
		case !errors.Is(err, store.ErrCondition):
			t.Errorf("writer %s: %v", strconv.Itoa(i), err)
		}
	}
	return winners
}
