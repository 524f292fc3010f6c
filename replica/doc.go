// Package replica is the replica's side of MySQL replication: it connects to a
// source, registers there, asks for binlog files by name and position, receives
// events, answers for silence and comes again after a break.
//
// It hands events to a Sink and knows nothing of how they are kept. It never
// reads a position out of an event: offsets are what the sink counts.
package replica
