// Package catalog is what is known of binlog files beside their bytes: manifests, and
// the documents that hold them on disk and in a bucket. Pure data: no files, no clock.
//
// docs/format.md describes the documents.
package catalog

import "fmt"

// Version is the format version of all documents of an archive.
const Version = 1

// VersionError says that a document was written by a later version.
type VersionError struct {
	File    string // set by who knows it
	Version int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, this program knows up to %d: start the version that wrote it, or a later one", e.File, e.Version, Version)
}

// Permanent says that trying again cannot help.
func (e *VersionError) Permanent() bool { return true }
