package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

const maxPage = 1000

// List implements store.Objects. It reads the folders that the page needs.
func (d *Dir) List(ctx context.Context, prefix, after string, max int) (store.Page, error) {
	if max <= 0 || max > maxPage {
		max = maxPage
	}
	w := walk{d: d, prefix: prefix, after: after, max: max}
	if err := w.folder(ctx, d.root, ""); err != nil {
		return store.Page{}, d.explain("list", prefix, err)
	}
	if len(w.page.Objects) == 0 {
		if _, err := os.Stat(d.private("lock")); err != nil {
			return store.Page{}, d.missing("list", prefix, store.ErrNotFound)
		}
	}
	return w.page, nil
}

// walk collects the objects of one page.
type walk struct {
	d             *Dir
	prefix, after string
	max           int
	page          store.Page
}

// folder visits the entries of a folder, whose keys begin with base.
func (w *walk) folder(ctx context.Context, path, base string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range keysIn(entries) {
		key := base + name
		switch {
		case w.page.More:
			return nil
		case !strings.HasSuffix(name, "/"):
			err = w.object(key)
		case w.wants(key):
			err = w.folder(ctx, filepath.Join(path, fileName(strings.TrimSuffix(name, "/"))+folderSuffix), key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keysIn are the last parts of the keys of objects in a folder, and of its folders
// with a slash behind, in the order in which their keys are to be listed.
func keysIn(entries []fs.DirEntry) []string {
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			name, isFolder := strings.CutSuffix(entry.Name(), folderSuffix)
			if part, ok := keyPart(name); isFolder && ok {
				names = append(names, part+"/")
			}
			continue
		}
		if part, ok := keyPart(entry.Name()); ok && entry.Type()&fs.ModeSymlink != 0 {
			names = append(names, part)
		}
	}
	slices.Sort(names)
	return names
}

// wants says whether a key that begins with folder may belong to the page.
func (w *walk) wants(folder string) bool {
	if !strings.HasPrefix(folder, w.prefix) && !strings.HasPrefix(w.prefix, folder) {
		return false
	}
	return folder > w.after || strings.HasPrefix(w.after, folder)
}

func (w *walk) object(key string) error {
	if !strings.HasPrefix(key, w.prefix) || key <= w.after {
		return nil
	}
	if len(w.page.Objects) == w.max {
		w.page.More = true
		return nil
	}
	object, err := w.d.lookup(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	object.Meta, object.CRC32C, object.HasCRC = nil, 0, false
	w.page.Objects = append(w.page.Objects, object)
	return nil
}
