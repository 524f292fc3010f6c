// Package dial connects to a MySQL source or target: address, time limit,
// login, a few statements, and the bare connection for whoever speaks the
// protocol on from there.
//
// Login is go-mysql's client. Four things around it are ours: a context ends
// every wait, a panic of its decoders on a hostile greeting becomes an error, no
// error holds the password, and nobody gets it who has not proved who he is, as
// far as that is asked for (TLS, guard). What its buffered reader might hold back is
// checked before the connection is handed over.
package dial
