package dir

import (
	"path/filepath"
	"strings"
)

// folderSuffix tells the folder of a/b from the object a.
const folderSuffix = ".d"

// fileName is the name of a part of a key in its folder: itself, but for "%", a dot
// in front, and folderSuffix at its end, which are written as %25, %2E and %2Ed. So
// no object has the name of a folder or of anything private.
func fileName(part string) string {
	part = strings.ReplaceAll(part, "%", "%25")
	if rest, ok := strings.CutPrefix(part, "."); ok {
		part = "%2E" + rest
	}
	if rest, ok := strings.CutSuffix(part, folderSuffix); ok {
		part = rest + "%2Ed"
	}
	return part
}

var unescape = strings.NewReplacer("%25", "%", "%2E", ".")

// keyPart is the part of a key that fileName has made a name of. It is false for
// names that it cannot have made.
func keyPart(name string) (string, bool) {
	part := unescape.Replace(name)
	return part, part != "" && fileName(part) == name
}

// path is where the name of an object is.
func (d *Dir) path(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = fileName(part)
		if i < len(parts)-1 {
			parts[i] += folderSuffix
		}
	}
	return filepath.Join(d.root, filepath.Join(parts...))
}
