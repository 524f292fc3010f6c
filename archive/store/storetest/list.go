package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// list reads all pages of at most max objects.
func list(t *testing.T, s store.Store, prefix, after string, max int) (keys []string) {
	t.Helper()
	for {
		page, err := s.List(t.Context(), prefix, after, max)
		if err != nil {
			t.Fatal(err)
		}
		if max > 0 && len(page.Objects) > max || page.More && len(page.Objects) == 0 {
			t.Fatalf("a page of %d objects, more: %v", len(page.Objects), page.More)
		}
		for _, object := range page.Objects {
			keys = append(keys, object.Key)
			if object.Size != int64(len(object.Key)) || object.ETag == "" {
				t.Errorf("%+v", object)
			}
			after = object.Key
		}
		if !page.More {
			return keys
		}
	}
}

func lists(t *testing.T, s store.Store) {
	// Of the parts of S3's order that are not the order of folders: "-" and "." stand
	// before "/", digits behind.
	keys := []string{
		"a-/1", "a.d/b", "a.d/b.d", "a/1", "a/2/x", "a/2-", "a0", "b/%", "b/=+&?# ;", "b/ä", "b/\"", "Z", "binlog.1000000", "binlog.999999",
	}
	for i := range 30 {
		keys = append(keys, fmt.Sprintf("pieces/%020d-%020d-%010d", i*1000, (i+1)*1000, 1))
	}
	for _, key := range keys {
		put(t, s, key, []byte(key), store.PutOptions{})
	}
	slices.Sort(keys)
	for _, max := range []int{1, 2, 7, 0, 5000} {
		if found := list(t, s, "", "", max); !slices.Equal(found, keys) {
			t.Errorf("by %d:\n%q\nexpected:\n%q", max, found, keys)
		}
	}
	for i, key := range keys {
		if found := list(t, s, "", key, 4); !slices.Equal(found, keys[i+1:]) {
			t.Errorf("behind %q:\n%q\nexpected:\n%q", key, found, keys[i+1:])
		}
	}
	if found := list(t, s, "pieces/", "pieces/00000000000000025", 0); len(found) != 5 {
		t.Errorf("behind the middle of a name: %q", found)
	}
}

func prefixes(t *testing.T, s store.Store) {
	for _, key := range []string{"main/a", "main/b/c", "main2/a", "mai", "other"} {
		put(t, s, key, []byte(key), store.PutOptions{})
	}
	for prefix, want := range map[string][]string{
		"main/":   {"main/a", "main/b/c"},
		"main":    {"main/a", "main/b/c", "main2/a"},
		"main/b/": {"main/b/c"},
		"main/b":  {"main/b/c"},
		"nothing": nil,
		"other":   {"other"},
	} {
		if found := list(t, s, prefix, "", 0); !slices.Equal(found, want) {
			t.Errorf("%q: %q", prefix, found)
		}
	}
}
