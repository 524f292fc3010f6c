package storetest

import (
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

func swap(t *testing.T, s store.Store) {
	policy := store.Policy{Attempts: 1}
	first, err := store.Swap(t.Context(), s, "open", []byte("1"), store.PutOptions{If: store.IfAbsent(), Meta: map[string]string{"a": "b"}}, policy)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Swap(t.Context(), s, "open", []byte("2"), store.PutOptions{If: store.IfMatch(first.ETag)}, policy); err != nil {
		t.Error(err)
	}
	_, err = store.Swap(t.Context(), s, "open", []byte("3"), store.PutOptions{If: store.IfMatch(first.ETag)}, policy)
	wantError(t, err, store.ErrCondition)
	wantData(t, s, "open", []byte("2"))

	data := bytesOf(1, 1000)
	var uploads []store.Upload
	var parts []store.Part
	for range 2 {
		u, err := store.StartUpload(t.Context(), s, "file", store.UploadOptions{Sum: true})
		if err != nil {
			t.Fatal(err)
		}
		uploads, parts = append(uploads, u), append(parts, putPart(t, s, u, 1, data))
	}
	for range 2 { // that of an upload which has succeeded already has succeeded
		object, err := store.FinishUpload(t.Context(), s, uploads[0], parts[:1], whole(data, store.IfAbsent()), policy)
		if err != nil || object.Meta[store.NonceKey] != uploads[0].Nonce {
			t.Fatalf("%+v, %v", object, err)
		}
	}
	_, err = store.FinishUpload(t.Context(), s, uploads[1], parts[1:], whole(data, store.IfAbsent()), policy)
	wantError(t, err, store.ErrCondition)
	if err := s.AbortUpload(t.Context(), uploads[1]); err != nil {
		t.Fatal(err)
	}
	// Some servers answer this one with success.
	if _, err = store.FinishUpload(t.Context(), s, uploads[1], parts[1:], whole(data, store.IfAbsent()), policy); err == nil {
		t.Error("an aborted upload is finished")
	}
}

func probe(t *testing.T, s store.Store, want store.Capabilities) {
	put(t, s, "main/source.json", []byte("{}"), store.PutOptions{})
	capabilities, err := store.Probe(t.Context(), s, "main/")
	if err != nil {
		t.Fatal(err)
	}
	if capabilities != want {
		t.Errorf("%s\nexpected: %s", capabilities, want)
	}
	page, err := s.List(t.Context(), "", "", 0)
	if err != nil || len(page.Objects) != 1 {
		t.Errorf("the probe has left %v, %v", page.Objects, err)
	}
	if uploads, err := s.ListUploads(t.Context(), ""); err != nil || len(uploads) > 0 {
		t.Errorf("the probe has left %v, %v", uploads, err)
	}
}
