package dir

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Whatever a crash left half-written is nobody's object, and goes when it is old. What
// another process is writing now stays.
func TestLeftoversOfACrashAreNoObjects(t *testing.T) {
	d := openDir(t)
	old, young, orphan := d.private("tmp", "OLD"), d.private("tmp", "YOUNG"), d.private("objects", "ORPHAN")
	for _, path := range []string{old, young, orphan} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-staleAfter - time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	again, err := Open(d.root)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := again.List(t.Context(), "", "", 0); err != nil || len(page.Objects) > 0 {
		t.Errorf("%v, %v", page.Objects, err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("an old leftover is there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what is being written is gone: %v", err)
	}
}

// Two processes are two handles: neither sees the other's locks but by the file.
func TestConditionsHoldBetweenProcesses(t *testing.T) {
	first := openDir(t)
	second, err := Open(first.root)
	if err != nil {
		t.Fatal(err)
	}
	won := make(chan bool)
	for i := range 16 {
		d := []*Dir{first, second}[i%2]
		go func() {
			_, err := d.Put(t.Context(), "a", []byte{byte(i)}, store.PutOptions{If: store.IfAbsent()})
			won <- err == nil
		}()
	}
	winners := 0
	for range 16 {
		if <-won {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d winners", winners)
	}
}

// A part that was changed on the disk must not become a part of a file.
func TestARottenPartIsNotJoined(t *testing.T) {
	d := openDir(t)
	u, err := d.CreateUpload(t.Context(), "file", store.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := d.PutPart(t.Context(), u, 1, []byte("good"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.partPath(u.ID, part), []byte("goot"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = d.CompleteUpload(t.Context(), u, []store.Part{part}, store.CompleteOptions{Size: part.Size, CRC32C: part.CRC32C})
	if err == nil || !strings.Contains(err.Error(), store.ErrBadSum.Error()) {
		t.Errorf("%v", err)
	}
}

func TestARottenObjectIsNotReadForAGoodOne(t *testing.T) {
	d := openDir(t)
	object, err := d.Put(t.Context(), "a", []byte("good"), store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"goot", "goo"} {
		if err := os.WriteFile(d.private("objects", object.ETag), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if data, _, err := store.ReadAll(t.Context(), d, "a", 100); err == nil {
			t.Errorf("%q", data)
		}
	}
}

func TestEveryFieldOnDiskIsInTheDocument(t *testing.T) {
	b, err := os.ReadFile("../../../docs/bucket.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Type{reflect.TypeFor[record](), reflect.TypeFor[uploadRecord]()} {
		for i := range of.NumField() {
			field, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(string(b), "`"+field+"`") {
				t.Errorf("docs/bucket.md does not mention the field %s of %s", field, of.Name())
			}
		}
	}
}

// A record of a later version is no object of this one, and no missing object either.
func TestALaterFormatIsRefused(t *testing.T) {
	d := openDir(t)
	object, err := d.Put(t.Context(), "a", nil, store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(record{Version: formatVersion + 1, Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.private("objects", object.ETag+".json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Head(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Errorf("%v", err)
	}
}
