package dir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

func openDir(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A file system that is not mounted is no empty archive.
func TestAMissingDirectoryIsNoEmptyStore(t *testing.T) {
	root := filepath.Join(t.TempDir(), "mount")
	if _, err := Open(root); !errors.Is(err, store.ErrNoBucket) {
		t.Errorf("opening: %v", err)
	}
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(d.private()); err != nil {
		t.Fatal(err)
	}
	_, headErr := d.Head(t.Context(), "a")
	_, getErr := d.Get(t.Context(), "a", store.Range{})
	_, listErr := d.List(t.Context(), "", "", 0)
	for _, err := range []error{headErr, getErr, listErr} {
		if errors.Is(err, store.ErrNotFound) || !store.Temporary(err) {
			t.Errorf("unmounted: %v", err)
		}
	}
}

// Any program reads an object as a file, and names of any kind live side by side.
func TestObjectsAreFilesWithTheirNames(t *testing.T) {
	d := openDir(t)
	for key, path := range map[string]string{
		"main/files/binlog.000042": "main.d/files.d/binlog.000042",
		"main":                     "main",
		"main.d":                   "main%2Ed",
		"main.d/x":                 "main%2Ed.d/x",
		".store/lock":              "%2Estore.d/lock",
		"100%":                     "100%25",
		".d":                       "%2Ed",
		"%2Ed":                     "%252Ed",
	} {
		if _, err := d.Put(t.Context(), key, []byte(key), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(d.root, path)); string(b) != key {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	page, err := d.List(t.Context(), "", "", 0)
	if err != nil || len(page.Objects) != 8 {
		t.Errorf("%v, %v", page.Objects, err)
	}
}

// What is written again or deleted leaves no file behind.
func TestNothingIsLeftOfWhatWasReplaced(t *testing.T) {
	d := openDir(t)
	for range 3 {
		if _, err := d.Put(t.Context(), "a/b/c", []byte("x"), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Put(t.Context(), "a/b/c", []byte("x"), store.PutOptions{If: store.IfAbsent()}); !errors.Is(err, store.ErrCondition) {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(d.root, func(path string, entry os.DirEntry, err error) error {
		if entry != nil && !entry.IsDir() || filepath.Base(path) == "a.d" {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) != 1 || files[0] != d.private("lock") {
		t.Errorf("%q, %v", files, err)
	}
}

func TestASymbolicLinkOfSomebodyElseIsNoObject(t *testing.T) {
	d := openDir(t)
	if _, err := d.Put(t.Context(), "a", []byte("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(d.root, "a"), filepath.Join(d.root, "b")); err != nil {
		t.Fatal(err)
	}
	if object, err := d.Head(t.Context(), "b"); err == nil {
		t.Errorf("the object of another key: %+v", object)
	}
}
