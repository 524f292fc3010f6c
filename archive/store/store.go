package store

import "context"

// Store is one bucket or directory, below a prefix. Keys are relative to the
// prefix and satisfy CheckKey. Methods may be called concurrently, and return the
// errors of this package.
type Store interface {
	Objects
	Uploads
	// String is the store's URL, without secrets.
	String() string
	// Close ends what nobody uses at the moment, as idle connections. Bodies that are
	// being read stay readable.
	Close() error
}

// Objects are small or immutable: each is written by one call.
type Objects interface {
	// Put writes an object, replacing one that is there unless opts.If forbids it.
	// The store checks the body's CRC32C.
	Put(ctx context.Context, key string, body []byte, opts PutOptions) (Object, error)

	// Get reads an object or a range of it. The caller closes the body. ErrNotFound
	// where there is none, ErrCondition where it is not the one that r asks for,
	// ErrRange where r begins at its end or behind.
	Get(ctx context.Context, key string, r Range) (*Body, error)

	// Head is Get without the body. ErrNotFound where there is none.
	Head(ctx context.Context, key string) (Object, error)

	// List returns at most max objects (0 = 1000, and never more) whose keys begin
	// with prefix and are larger than after, in byte order of their keys.
	List(ctx context.Context, prefix, after string, max int) (Page, error)

	// Delete removes an object. That there is none is no error.
	Delete(ctx context.Context, key string) error
}

// Uploads make large objects from parts. An upload exists from CreateUpload until
// CompleteUpload has succeeded or AbortUpload has been called, also when whoever
// began it is gone. A call for one that does not exist is ErrNoUpload, except that
// some stores answer a CompleteUpload of an unknown upload like a success
// (FinishUpload finds out).
type Uploads interface {
	CreateUpload(ctx context.Context, key string, opts UploadOptions) (Upload, error)

	// PutPart uploads a part, replacing an earlier one of that number. Numbers are 1
	// to MaxParts, sizes MinPart (the last part: 1) to MaxPart. The store checks the
	// body's sum.
	PutPart(ctx context.Context, u Upload, number int, body []byte) (Part, error)

	// CopyPart makes a part of a whole object of this store, without moving its
	// bytes through the client. It needs Key, ETag, Size and CRC32C of from, and is
	// ErrCondition where the object is not that one any more, ErrBadSum where the
	// copy is not equal to it.
	CopyPart(ctx context.Context, u Upload, number int, from Object) (Part, error)

	// CompleteUpload joins parts, in ascending order of their numbers, to the object.
	// In an upload with Sum the store compares the sum of the whole object with
	// opts.CRC32C. After an error the upload still exists.
	CompleteUpload(ctx context.Context, u Upload, parts []Part, opts CompleteOptions) (Object, error)

	// AbortUpload removes an upload and its parts. That there is none is no error.
	AbortUpload(ctx context.Context, u Upload) error

	// ListUploads returns all uploads that exist and whose keys begin with prefix. A
	// store may know only those whose key is prefix.
	ListUploads(ctx context.Context, prefix string) ([]Upload, error)
}
