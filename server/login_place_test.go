package server

import (
	"errors"
	"net"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// Both have their greeting before either logs in. Only the right password is asked for,
// so nothing of it counts as guessing.
func TestALoginThatFindsTheLastPlaceTakenIsToldSo(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.MaxConnections = 1 })
	first, second := dialRaw(t, ts.addr), dialRaw(t, ts.addr)
	toFirst, toSecond := first.greeting(), second.greeting()
	first.prove(toFirst, testUser, testPassword, 0)
	first.expectOK()
	second.prove(toSecond, testUser, testPassword, 0)
	if e := second.expectError(wire.ERConCount); e.State != "08004" || e.Message != "Too many connections" {
		t.Errorf("got %+v", e)
	}
	second.expectEOF()
	first.mustQuery("SELECT 1")
	if err := ts.Close(); err != nil { // sessions count when the client has its answer already
		t.Fatal(err)
	}
	s := ts.Stats()
	if s.Refused != 1 {
		t.Errorf("%d refused, want 1", s.Refused)
	}
	for reason, n := range s.AuthFailures {
		if n != 0 {
			t.Errorf("%d failed logins: %s", n, reason)
		}
	}
	if n := len(ts.guard.suspects); n != 0 {
		t.Errorf("%d suspects of guessing", n)
	}
}

// okConn is a server's connection whose write of the OK ends as the test wants.
type okConn struct {
	*net.TCPConn
	write func(p []byte) (int, error)
}

func (c *okConn) Write(p []byte) (int, error) {
	if len(p) > wire.HeaderLen && p[wire.HeaderLen] == 0 { // the header of OK
		return c.write(p)
	}
	return c.TCPConn.Write(p)
}

// dialOK connects to a server that sends its OK by write.
func dialOK(t *testing.T, ts *testServer, write func(c *net.TCPConn, p []byte) (int, error)) *rawClient {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client := dialRaw(t, ln.Addr().String())
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	tcp := nc.(*net.TCPConn)
	ts.start(&okConn{tcp, func(p []byte) (int, error) { return write(tcp, p) }})
	return client
}

// The server goes on only when the test says so: what it would do behind its OK is not
// done yet.
func TestWhoHasReadItsOKIsCounted(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.MaxConnections = 1 })
	goOn := make(chan struct{})
	t.Cleanup(func() { close(goOn) })
	first := dialOK(t, ts, func(c *net.TCPConn, p []byte) (int, error) {
		defer func() { <-goOn }()
		return c.Write(p)
	})
	first.prove(first.greeting(), testUser, testPassword, 0)
	first.expectOK()
	if n := ts.Stats().LoggedIn; n != 1 {
		t.Errorf("%d are logged in", n)
	}
	dialRaw(t, ts.addr).expectError(wire.ERConCount)
}

// The end of a connection is its client's sign that there is room again.
func TestALoginWhoseOKIsNotSentGivesItsPlaceBack(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.MaxConnections = 1 })
	first := dialOK(t, ts, func(*net.TCPConn, []byte) (int, error) { return 0, errors.New("injected write error") })
	first.prove(first.greeting(), testUser, testPassword, 0)
	first.expectEOF()
	connect(t, ts, 0).mustQuery("SELECT 1")
}
