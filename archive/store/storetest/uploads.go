package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

func create(t *testing.T, s store.Store, key string, opts store.UploadOptions) store.Upload {
	t.Helper()
	u, err := s.CreateUpload(t.Context(), key, opts)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func putPart(t *testing.T, s store.Store, u store.Upload, number int, data []byte) store.Part {
	t.Helper()
	part, err := s.PutPart(t.Context(), u, number, data)
	if err != nil {
		t.Fatal(err)
	}
	if part.Number != number || part.ETag == "" || part.Size != int64(len(data)) || part.CRC32C != crc32c.Of(data) {
		t.Errorf("%+v", part)
	}
	return part
}

func whole(data []byte, cond store.Condition) store.CompleteOptions {
	return store.CompleteOptions{Size: int64(len(data)), CRC32C: crc32c.Of(data), If: cond}
}

func upload(t *testing.T, s store.Store) {
	for _, sum := range []bool{false, true} {
		key, data := fmt.Sprintf("sum-%v", sum), bytesOf(1, 2*store.MinPart+12345)
		u := create(t, s, key, store.UploadOptions{Meta: map[string]string{"nonce": "n1"}, Sum: sum})
		putPart(t, s, u, 2, []byte("replaced"))
		last := putPart(t, s, u, 7, data[2*store.MinPart:])
		first := putPart(t, s, u, 1, data[:store.MinPart])
		second := putPart(t, s, u, 2, data[store.MinPart:2*store.MinPart])
		if _, err := s.Head(t.Context(), key); err == nil {
			t.Error("an upload is an object before it is complete")
		}
		object, err := s.CompleteUpload(t.Context(), u, []store.Part{first, second, last}, whole(data, store.IfAbsent()))
		if err != nil {
			t.Fatal(err)
		}
		wantData(t, s, key, data)
		head, err := s.Head(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if head.ETag != object.ETag || head.Size != int64(len(data)) || !maps.Equal(head.Meta, map[string]string{"nonce": "n1"}) {
			t.Errorf("%+v, completed as %+v", head, object)
		}
		if sum && (!head.HasCRC || head.CRC32C != crc32c.Of(data)) {
			t.Errorf("the sum of the whole: %+v", head)
		}
	}
}

func copyParts(t *testing.T, s store.Store, sealing store.Sealing) {
	if sealing == store.SealByUpload {
		t.Skip("this store cannot copy parts")
	}
	pieces := [][]byte{bytesOf(1, store.MinPart), bytesOf(2, store.MinPart+1)}
	tail := []byte("the tail")
	for _, sum := range []bool{false, true} {
		if sum && sealing != store.SealByCopy {
			continue
		}
		u := create(t, s, fmt.Sprintf("file-%v", sum), store.UploadOptions{Sum: sum})
		var parts []store.Part
		for i, piece := range pieces {
			from := put(t, s, fmt.Sprintf("open/piece-%d", i), piece, store.PutOptions{Meta: map[string]string{"a": "b"}})
			part, err := s.CopyPart(t.Context(), u, i+1, from)
			if err != nil {
				t.Fatal(err)
			}
			if part.Number != i+1 || part.Size != from.Size || part.CRC32C != crc32c.Of(piece) {
				t.Errorf("%+v", part)
			}
			parts = append(parts, part)
		}
		parts = append(parts, putPart(t, s, u, 3, tail))
		data := append(bytes.Join(pieces, nil), tail...)
		if _, err := s.CompleteUpload(t.Context(), u, parts, whole(data, store.IfAbsent())); err != nil {
			t.Fatal(err)
		}
		wantData(t, s, u.Key, data)
	}
}

func copyChanged(t *testing.T, s store.Store) {
	from := put(t, s, "piece", bytesOf(1, 1000), store.PutOptions{})
	put(t, s, "piece", bytesOf(2, 1000), store.PutOptions{})
	u := create(t, s, "file", store.UploadOptions{Sum: true})
	_, err := s.CopyPart(t.Context(), u, 1, from)
	wantError(t, err, store.ErrCondition)
	if err := s.Delete(t.Context(), "piece"); err != nil {
		t.Fatal(err)
	}
	if _, err = s.CopyPart(t.Context(), u, 1, from); err == nil {
		t.Error("an original that is gone is copied")
	}
}

func wrongWholeSum(t *testing.T, s store.Store) {
	data := bytesOf(1, 100000)
	u := create(t, s, "file", store.UploadOptions{Sum: true})
	parts := []store.Part{putPart(t, s, u, 1, data)}
	wrong := whole(data, store.IfAbsent())
	wrong.CRC32C ^= 1
	_, err := s.CompleteUpload(t.Context(), u, parts, wrong)
	wantError(t, err, store.ErrBadSum)
	_, err = s.Head(t.Context(), "file")
	wantError(t, err, store.ErrNotFound)
	if _, err := s.CompleteUpload(t.Context(), u, parts, whole(data, store.IfAbsent())); err != nil {
		t.Error(err)
	}
	wantData(t, s, "file", data)
}

func completeConditions(t *testing.T, s store.Store) {
	old := put(t, s, "file", []byte("old"), store.PutOptions{})
	data := bytesOf(1, 1000)
	u := create(t, s, "file", store.UploadOptions{Sum: true})
	parts := []store.Part{putPart(t, s, u, 1, data)}
	for _, cond := range []store.Condition{store.IfAbsent(), store.IfMatch("d41d8cd98f00b204e9800998ecf8427e")} {
		_, err := s.CompleteUpload(t.Context(), u, parts, whole(data, cond))
		wantError(t, err, store.ErrCondition)
		wantData(t, s, "file", []byte("old"))
	}
	if _, err := s.CompleteUpload(t.Context(), u, parts, whole(data, store.IfMatch(old.ETag))); err != nil {
		t.Fatal(err)
	}
	wantData(t, s, "file", data)
}

func oneCompletionWins(t *testing.T, s store.Store) {
	for round := range 3 {
		key := fmt.Sprintf("file-%d", round)
		var uploads []store.Upload
		var parts []store.Part
		for i := range 4 {
			u := create(t, s, key, store.UploadOptions{Sum: true})
			uploads = append(uploads, u)
			parts = append(parts, putPart(t, s, u, 1, bytesOf(uint64(i), 1000)))
		}
		winners := race(t, len(uploads), func(i int) error {
			_, err := s.CompleteUpload(t.Context(), uploads[i], parts[i:i+1], whole(bytesOf(uint64(i), 1000), store.IfAbsent()))
			return err
		})
		if len(winners) != 1 {
			t.Fatalf("round %d: the winners are %v", round, winners)
		}
		wantData(t, s, key, bytesOf(uint64(winners[0]), 1000))
	}
}

func listUploads(t *testing.T, s store.Store) {
	want := map[string]string{}
	for i := range 5 {
		key := fmt.Sprintf("files/binlog.%06d", i/2) // several for one key
		want[create(t, s, key, store.UploadOptions{Sum: true}).ID] = key
	}
	listed := func(prefix string) map[string]string {
		uploads, err := s.ListUploads(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, u := range uploads {
			found[u.ID] = u.Key
		}
		return found
	}
	for i := range 3 {
		key := fmt.Sprintf("files/binlog.%06d", i)
		for id, found := range listed(key) {
			if found != key || want[id] != key {
				t.Errorf("%s: %s of %s", key, id, found)
			}
			if err := s.AbortUpload(t.Context(), store.Upload{Key: found, ID: id}); err != nil {
				t.Error(err)
			}
			delete(want, id)
		}
	}
	if len(want) > 0 || len(listed("files/binlog.000000")) > 0 {
		t.Errorf("not listed: %v", want)
	}
}

func aborted(t *testing.T, s store.Store) {
	data := bytesOf(1, 1000)
	u := create(t, s, "file", store.UploadOptions{Sum: true})
	parts := []store.Part{putPart(t, s, u, 1, data)}
	for range 2 {
		if err := s.AbortUpload(t.Context(), u); err != nil {
			t.Error(err)
		}
	}
	_, err := s.PutPart(t.Context(), u, 2, data)
	wantError(t, err, store.ErrNoUpload)
	if _, err = s.CompleteUpload(t.Context(), u, parts, whole(data, store.IfAbsent())); err == nil {
		t.Error("an aborted upload is completed")
	}
	_, err = s.Head(t.Context(), "file")
	wantError(t, err, store.ErrNotFound)
}
