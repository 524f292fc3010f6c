// Package replication holds the binlog's own words: event headers and framing,
// checksums, the few event types whose content binlogproxy needs, positions,
// transaction boundaries and GTID sets.
//
// It works on bytes alone: no sockets, no files, no clocks. Two invariants hold
// everywhere in it. Bytes are never trusted: each decoder checks every length
// against what is there and returns an error instead of panicking or allocating
// what was merely claimed. Nothing is decoded that is only to be kept: event
// types that are not listed here pass through untouched.
package replication
