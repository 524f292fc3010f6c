// Package testenv starts real servers for the tests, the benchmarks, the demo and the torture run.
// Nothing of the product imports it.
//
// Servers run in containers, through testcontainers-go, from an image that setup/setup.sh has made of
// the official one or of Debian's packages; one code path starts both, and any other MySQL image. They live
// in the network of the host and listen on its loopback address only, see MySQLOptions.
//
// StartS3 starts an S3 server, a process of this machine with its objects in a directory.
//
// # What it leaves behind
//
// Nothing that grows. A server ends with its test or with Terminate. The containers of a process that
// was killed are removed by the next process that starts a server: each process holds a lock on a file
// of its own for as long as it lives, and marks its containers with the name of that file. One template
// image per MySQL image stays, so that no server has to initialise its data directory.
package testenv
