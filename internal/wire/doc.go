// Package wire speaks the MySQL client/server protocol as bytes: packets,
// login, OK, ERR, EOF, text result sets and the replication commands. Each
// message has one file, with its decoder and its encoder side by side and the
// layout of its bytes above them. The package does not know what the messages
// are for: it opens no socket, keeps no account and reads no binlog.
//
// # Invariants
//
//   - Nothing is allocated because a peer claims a length. Memory grows with
//     the bytes that really arrived, and a claim beyond the caller's limit is
//     refused before its first byte is read.
//   - Every decoder is bounds-checked: bad input gives a *MalformedError, never
//     a panic. Bytes behind the last known field are ignored, as in mysqld.
//   - A decoded string is a copy. A decoded byte slice aliases the payload and
//     is valid as long as that is.
//   - Encoders append to a slice and return it. Text that the protocol ends
//     with a NUL is cut at a NUL of its own, so no field can spill into the next.
//   - ServerLogin reports success only for a response that one of the verifiers
//     of the account accepted. Passwords and verifiers are in no error and do not
//     print.
//
// # Sources
//
// Layouts are those of the "Client/Server Protocol" pages of the MySQL source
// documentation (dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html)
// and of the server files named at each message. Where real peers differ from
// the pages, the comment says which peer does what.
package wire
