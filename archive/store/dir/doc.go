// Package dir is a store in a plain directory of this machine or of a network file
// system.
//
// An object's bytes are a file of their own, and its name is a symbolic link to it:
//
//	main.d/0001-x.d/files.d/binlog.000042   the object main/0001-x/files/binlog.000042, for any program to read
//	.store/objects/<id>                     its bytes, which never change
//	.store/objects/<id>.json                its key, sum, metadata and time
//	.store/uploads/<id>/                    an upload and its parts
//	.store/tmp/<id>                         what is being written
//	.store/lock                             taken while a name changes (flock)
//
// Renaming the link is the one moment at which an object appears or is replaced, so
// bytes and metadata never differ, and readers need no lock. The id is the ETag.
// Folders carry ".d", so that the keys a and a/b may both exist; see fileName.
//
// A crash may leave files in tmp, which Open removes after a day, and one in objects
// that no name leads to, which only takes space.
package dir
