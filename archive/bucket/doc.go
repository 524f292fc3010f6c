// Package bucket is one source's part of an object store: its sealed files, the
// catalog that lists them, the pieces of the files that are still open, and the lease
// of the one who writes. It knows no local log and no server.
//
// What counts is decided by compare-and-set, not by who can write:
//
//   - A sealed file counts once the catalog lists it. The catalog is changed only by
//     the epoch that has set itself into it.
//   - A piece of an epoch counts from where that epoch begins up to where a later one
//     does. source.json says where.
//   - A writer that meets a later epoch is fenced: it writes nothing any more, and what
//     it wrote since then does not count.
//   - What is listed is never deleted or replaced here; a hole in a listing is
//     believed only after a second listing.
//
// Methods of Bucket need no lease and may run beside anything. Those that write belong
// to Lease and Writer. Errors of the store come as they are (store.Temporary says
// whether trying again may help); those of this package say Permanent.
//
// docs/format.md describes keys and documents.
package bucket
