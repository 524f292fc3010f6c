// Package uploadcost counts what it costs to copy a log into a bucket: a source writes
// at a given rate, and hours of that pass in seconds, by a clock that stands still while
// anybody has something to do.
package uploadcost
