// Package fakesource is a MySQL source for tests: it lets a replica log in,
// answers what a replica asks, and sends given binlog files to the dump commands
// as mysqld does. Told by a Script, it does what no real server does on request:
// it sends rubbish, wrong checksums, wrong sequence numbers, half packets and
// wrong names, falls silent, or breaks off anywhere.
//
// Files should be those of a real server (see Recorded). Login and packets are
// internal/wire's.
package fakesource
