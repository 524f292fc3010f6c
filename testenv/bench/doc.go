// Package bench has what the measurements of testenv/cmd/bench are made of: figures
// with goals and the table of them, samples taken in turn, what a process has used,
// and binlog files composed of a real server's events.
package bench
