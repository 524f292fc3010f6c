// Package server plays the primary: it greets, authenticates, answers the
// statements that replicas and tools send, and hands their dump commands to the
// dump loop. How the bytes came here is not its concern: what it serves it reads
// from a Log, who it stands for it asks an Upstream.
//
// # Goroutines
//
// Serve accepts; each connection has one goroutine, its session. While a session
// dumps, a second one reads and discards what the client sends, to notice at once
// that it has gone. Each is joined by who started it, and all of them by Shutdown
// or Close.
//
// # Invariants
//
//   - Nothing but the login packets is read from a connection before its login
//     succeeded, and no more than wire.LoginLimit bytes within LoginTimeout.
//   - A connection is ended with FIN, never RST: the writing side is shut down and
//     what the client still sends is read, before it is closed.
//   - Error 1236 is sent for nothing that passes by itself.
//   - Secrets are kept as verifiers only, and neither they nor the text of a
//     statement reach a log.
package server
