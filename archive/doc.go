// Package archive is the log: it keeps a source's binlog files byte for byte, and
// hands them out again from any place in them up to the live tail.
//
// Its invariants:
//
//   - Nothing is published or acknowledged before it is fsynced: the bytes, and of
//     a new file its directory entry and its record in the catalog.
//   - What is published is never taken back, neither by a crash nor by a failed
//     disk operation; it stands on transaction boundaries.
//   - A failed fsync is not believed again: the file is cut back to the last mark
//     that was fsynced, and the rest is fetched anew.
//   - Behind the mark recorded on disk, whatever does not verify is torn tail and
//     is cut. Before it, it is damage: it is named, nothing is deleted, the writing
//     stops, and what stands before it goes on being served.
//   - What the source sends a second time is compared with what is held. Other
//     bytes are another history: the writing stops.
//
// Who runs where: the caller of Append copies bytes and follows boundaries; the
// committer, one goroutine, owns the open file, its index and MARK, and does all
// writing and fsyncing; the sealer, one goroutine, reads complete files back and
// enters them into the catalog. Readers share nothing with them but the view, an
// immutable snapshot that is replaced at each publication.
//
// docs/format.md describes the files.
package archive
