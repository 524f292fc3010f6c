package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

func readsWhatWasWritten(t *testing.T, s store.Store) {
	for i, size := range []int{0, 1, 4096, 1<<20 + 3} {
		key, data := fmt.Sprintf("dir/object-%d", i), bytesOf(uint64(i), size)
		before := time.Now()
		written := put(t, s, key, data, store.PutOptions{})
		read, body := get(t, s, key, store.Range{})
		if !bytes.Equal(read, data) {
			t.Errorf("%d bytes: %d others read", size, len(read))
		}
		head, err := s.Head(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		for name, object := range map[string]store.Object{"put": written, "get": body.Object, "head": head} {
			if object.Key != key || object.Size != int64(size) || object.ETag == "" || object.ETag != written.ETag {
				t.Errorf("%s: %+v", name, object)
			}
			if !object.HasCRC || object.CRC32C != crc32c.Of(data) {
				t.Errorf("%s: the sum %+v", name, object)
			}
			if age := object.Modified.Sub(before); age < -time.Minute || age > time.Minute {
				t.Errorf("%s: modified %s, at %s", name, object.Modified, before)
			}
		}
	}
	first := put(t, s, "again", []byte("one"), store.PutOptions{})
	second := put(t, s, "again", []byte("another"), store.PutOptions{})
	if first.ETag == second.ETag {
		t.Errorf("both have the ETag %s", first.ETag)
	}
	wantData(t, s, "again", []byte("another"))
}

func ranges(t *testing.T, s store.Store) {
	data := bytesOf(1, 100000)
	put(t, s, "a", data, store.PutOptions{})
	put(t, s, "empty", nil, store.PutOptions{})
	for _, r := range []store.Range{
		{}, {Length: 1}, {Length: 200}, {Offset: 1}, {Offset: 99999}, {Offset: 5000, Length: 60000}, {Offset: 99990, Length: 1000}, {Length: 1 << 40},
	} {
		offset, length, _ := r.Within(int64(len(data)))
		read, body := get(t, s, "a", r)
		if !bytes.Equal(read, data[offset:offset+length]) {
			t.Errorf("%+v: %d bytes, which are not those", r, len(read))
		}
		if body.Object.Size != int64(len(data)) {
			t.Errorf("%+v: the object has %d bytes", r, body.Object.Size)
		}
	}
	for key, list := range map[string][]store.Range{"a": {{Offset: 100000}, {Offset: 100001, Length: 5}}, "empty": {{Offset: 1}}} {
		for _, r := range list {
			body, err := s.Get(t.Context(), key, r)
			wantError(t, err, store.ErrRange)
			if err == nil {
				body.Close()
			}
		}
	}
}

func pinned(t *testing.T, s store.Store) {
	old := put(t, s, "a", []byte("the old one"), store.PutOptions{})
	if data, _ := get(t, s, "a", store.Range{Offset: 4, IfMatch: old.ETag}); string(data) != "old one" {
		t.Errorf("%q", data)
	}
	replaced := put(t, s, "a", []byte("the new one"), store.PutOptions{})
	for _, r := range []store.Range{{IfMatch: old.ETag}, {Offset: 4, Length: 3, IfMatch: old.ETag}} {
		body, err := s.Get(t.Context(), "a", r)
		wantError(t, err, store.ErrCondition)
		if err == nil {
			body.Close()
		}
	}
	if data, _ := get(t, s, "a", store.Range{IfMatch: replaced.ETag}); string(data) != "the new one" {
		t.Errorf("%q", data)
	}
}

func missing(t *testing.T, s store.Store) {
	_, err := s.Head(t.Context(), "no/such")
	wantError(t, err, store.ErrNotFound)
	_, err = s.Get(t.Context(), "no/such", store.Range{Length: 5})
	wantError(t, err, store.ErrNotFound)
	if err := s.Delete(t.Context(), "no/such"); err != nil {
		t.Error(err)
	}
	put(t, s, "some/one", []byte("x"), store.PutOptions{})
	if err := s.Delete(t.Context(), "some/one"); err != nil {
		t.Error(err)
	}
	_, err = s.Head(t.Context(), "some/one")
	wantError(t, err, store.ErrNotFound)
	if page, err := s.List(t.Context(), "", "", 0); err != nil || len(page.Objects) > 0 || page.More {
		t.Errorf("%+v, %v", page, err)
	}
}

func wrongSums(t *testing.T, s store.Store) {
	put(t, s, "a", []byte("good"), store.PutOptions{CRC32C: crc32c.Of([]byte("good")), HasCRC: true})
	_, err := s.Put(t.Context(), "a", []byte("flipped"), store.PutOptions{CRC32C: crc32c.Of([]byte("sent")), HasCRC: true})
	wantError(t, err, store.ErrBadSum)
	wantData(t, s, "a", []byte("good"))
}

func ifAbsent(t *testing.T, s store.Store) {
	first := put(t, s, "a", []byte("first"), store.PutOptions{If: store.IfAbsent()})
	_, err := s.Put(t.Context(), "a", []byte("second"), store.PutOptions{If: store.IfAbsent()})
	wantError(t, err, store.ErrCondition)
	wantData(t, s, "a", []byte("first"))
	if head, err := s.Head(t.Context(), "a"); err != nil || head.ETag != first.ETag {
		t.Errorf("%+v, %v", head, err)
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", []byte("third"), store.PutOptions{If: store.IfAbsent()})
}

func ifMatch(t *testing.T, s store.Store) {
	_, err := s.Put(t.Context(), "a", []byte("x"), store.PutOptions{If: store.IfMatch("d41d8cd98f00b204e9800998ecf8427e")})
	wantError(t, err, store.ErrCondition)
	first := put(t, s, "a", []byte("first"), store.PutOptions{})
	second := put(t, s, "a", []byte("second"), store.PutOptions{If: store.IfMatch(first.ETag)})
	_, err = s.Put(t.Context(), "a", []byte("late"), store.PutOptions{If: store.IfMatch(first.ETag)})
	wantError(t, err, store.ErrCondition)
	wantData(t, s, "a", []byte("second"))
	listed, err := s.List(t.Context(), "a", "", 0)
	if err != nil || len(listed.Objects) != 1 {
		t.Fatalf("%+v, %v", listed, err)
	}
	if listed.Objects[0].ETag != second.ETag {
		t.Errorf("a listing has the ETag %s, put %s", listed.Objects[0].ETag, second.ETag)
	}
	put(t, s, "a", []byte("third"), store.PutOptions{If: store.IfMatch(listed.Objects[0].ETag)})
}

func oneWins(t *testing.T, s store.Store) {
	var cond store.Condition
	for round := range 10 {
		body := func(i int) []byte { return fmt.Appendf(nil, "writer %d of round %d", i, round) }
		if cond.None() {
			cond = store.IfAbsent()
		}
		winners := race(t, 8, func(i int) error {
			_, err := s.Put(t.Context(), "a", body(i), store.PutOptions{If: cond})
			return err
		})
		if len(winners) != 1 {
			t.Fatalf("round %d: the winners are %v", round, winners)
		}
		wantData(t, s, "a", body(winners[0]))
		head, err := s.Head(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		cond = store.IfMatch(head.ETag)
	}
}

func metadata(t *testing.T, s store.Store) {
	meta := map[string]string{"nonce": "aB3", "gtids": "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5,\"x\"", "long": strings.Repeat("v", 1800)}
	put(t, s, "a", []byte("x"), store.PutOptions{Meta: meta})
	head, err := s.Head(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	_, body := get(t, s, "a", store.Range{})
	for _, object := range []store.Object{head, body.Object} {
		if !maps.Equal(object.Meta, meta) {
			t.Errorf("%q", object.Meta)
		}
	}
	for _, bad := range []map[string]string{{"Upper": "x"}, {"a": "line\nbreak"}, {"a": " x"}, {"a": strings.Repeat("v", 3000)}, {"": "x"}, {"a": "ä"}} {
		if _, err := s.Put(t.Context(), "b", nil, store.PutOptions{Meta: bad}); err == nil {
			t.Errorf("taken: %.80q", bad)
		}
	}
}

func badKeys(t *testing.T, s store.Store) {
	for _, key := range []string{"", "/a", "a/", "a//b", "a/../b", "./a", "a\nb", "a\\b", "a\xffb", strings.Repeat("a", 201), strings.Repeat("a/", 500) + "a"} {
		if _, err := s.Put(t.Context(), key, nil, store.PutOptions{}); err == nil {
			t.Errorf("taken: %.80q", key)
		}
		if _, err := s.Head(t.Context(), key); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%.80q: %v", key, err)
		}
	}
}

func cancelled(t *testing.T, s store.Store) {
	put(t, s, "a", []byte("x"), store.PutOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, putErr := s.Put(ctx, "b", nil, store.PutOptions{})
	_, getErr := s.Get(ctx, "a", store.Range{})
	_, headErr := s.Head(ctx, "a")
	_, listErr := s.List(ctx, "", "", 0)
	for _, err := range []error{putErr, getErr, headErr, listErr, s.Delete(ctx, "a")} {
		if !errors.Is(err, context.Canceled) || store.Temporary(err) {
			t.Errorf("%v", err)
		}
	}
	wantData(t, s, "a", []byte("x"))
}
